/**
 * Things in pictures as boxes: each is matched with one of a fixed number of answers, and that one is held to it.
 *
 * Carion et al., "End-to-End Object Detection with Transformers", 2020, section 3.1, https://arxiv.org/abs/2005.12872
 *
 * B pictures, Q answers a picture, C classes and one more for nothing, N boxes in all pictures together. Boxes are centre x, centre
 * y, width, height as parts of the picture.
 */
import {
  abs,
  add,
  concat,
  div,
  equal,
  full,
  gatherElements,
  gatherND,
  logSoftmax,
  maximum,
  minimum,
  mul,
  neg,
  scatterND,
  select,
  squeeze,
  sub,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from '../../graph/index.js';
import { type HostArray, hostArray, QuintetError, toNumbers } from '../../tensor/index.js';
import type { HostArrays, InputType, Tensors } from '../network.js';
import { cheapestAssignment } from './assignment.js';
import { countedOnce, type HostWork, type Loss, type Objective } from './objective.js';

/** The boxes of a batch: what and where they are, and in which picture. */
const inputs: Readonly<Record<string, InputType>> = {
  target_boxes: { dtype: 'f32', shape: ['N', 4] },
  target_classes: { dtype: 'i64', shape: ['N'] },
  target_pictures: { dtype: 'i64', shape: ['N'] },
};

const f32: InputType = { dtype: 'f32', shape: [] };
/** Which answer has each box; of a step the boxes, the pictures and the weights of all answers' classes. */
const hostFields = {
  target_answers: { dtype: 'i64', shape: ['N'] },
  ...{ step_boxes: f32, step_pictures: f32, step_weights: f32 },
} as const satisfies HostWork['fields'];

export interface DetectionSettings {
  /** Weights of the class, of the distance of coordinates and of the generalised overlap, in matching and in the loss. */
  readonly weights?: { readonly class: number; readonly distance: number; readonly overlap: number };
  /** How much an answer counts that says rightly that there is nothing; default 0.1. */
  readonly nothing?: number;
}

const published = { class: 1, distance: 5, overlap: 2 };

/** For networks that give `logits` [B, Q, C + 1] and `pred_boxes` [B, Q, 4] between 0 and 1. */
export function detect({ weights = published, nothing = 0.1 }: DetectionSettings = {}): Objective {
  return {
    name: 'detect',
    settings: { weights, nothing },
    inputs,
    current: (network, p, batch) => {
      const { logits, pred_boxes: boxes } = network.forward(p, batch) as Record<string, Tensor>;
      return { current_logits: logits as Tensor, current_boxes: boxes as Tensor };
    },
    host: {
      fields: hostFields,
      match: (batch) => ({ target_answers: matched(batch, weights) }),
      tally: (batch) => tally(batch, nothing),
    },
    loss: (network, p, batch) => detectionLoss(network.forward(p, batch), batch, { weights, nothing }),
  };
}

/** The loss of answers that boxes are matched with, by the numbers of the whole step. */
export function detectionLoss(outputs: Tensors, batch: Tensors, settings: Required<DetectionSettings>): Loss {
  const { logits, pred_boxes: boxes } = outputs as Record<'logits' | 'pred_boxes', Tensor>;
  const { target_boxes: wanted, target_pictures: pictures, target_answers: answers } = batch as Record<string, Tensor>;
  const at = concat([unsqueeze(pictures as Tensor, 1), unsqueeze(answers as Tensor, 1)], 1); // [N, 2]
  const found = gatherND(boxes, at); // [N, 4]
  const { step_boxes: boxesOfStep, step_pictures: rows, step_weights: classes } = batch as Record<string, Tensor>;
  const count = maximum(boxesOfStep as Tensor, 1);
  const terms = {
    class: div(classLoss(logits, at, batch, settings.nothing), classes as Tensor),
    distance: div(sum(abs(sub(found, wanted as Tensor))), count),
    overlap: div(sum(sub(1, generalisedOverlap(found, wanted as Tensor))), count),
  };
  const { weights } = settings;
  const loss = add(
    add(mul(terms.class, weights.class), mul(terms.distance, weights.distance)),
    mul(terms.overlap, weights.overlap),
  );
  // A part of the step's sums: times its pictures, to be divided by them in the end.
  const part = (term: Tensor) => ({ ...countedOnce(term, logits.dim(0)), total: mul(term, rows as Tensor) });
  return {
    ...part(loss),
    metrics: {
      'loss/class': part(terms.class),
      'loss/distance': part(terms.distance),
      'loss/overlap': part(terms.overlap),
    },
  };
}

/** Cross entropy of all answers, those that say nothing counting less: a sum. */
function classLoss(logits: Tensor, at: Tensor, batch: Tensors, nothing: number): Tensor {
  const empty = logits.size(-1) - 1;
  const none = full('i64', [logits.dim(0), logits.dim(1)], empty);
  const classes = scatterND(none, at, batch.target_classes as Tensor);
  const said = squeeze(gatherElements(logSoftmax(logits), unsqueeze(classes, 2), 2), 2); // [B, Q]
  return sum(mul(neg(said), where(equal(classes, empty), nothing, full('f32', [], 1))));
}

/** Left, top, right and bottom of boxes [N, 4]: [N] each. */
function cornersOf(boxes: Tensor) {
  const [x, y, width, height] = [0, 1, 2, 3].map((i) => select(boxes, 1, i)) as [Tensor, Tensor, Tensor, Tensor];
  const [halfWidth, halfHeight] = [div(width, 2), div(height, 2)];
  return { left: sub(x, halfWidth), top: sub(y, halfHeight), right: add(x, halfWidth), bottom: add(y, halfHeight) };
}

/** How far boxes overlap, less how much of what encloses both is neither: [N, 4] twice -> [N]. Rezatofighi et al., 2019. */
export function generalisedOverlap(a: Tensor, b: Tensor): Tensor {
  const [own, other] = [cornersOf(a), cornersOf(b)];
  const area = ({ left, top, right, bottom }: typeof own): Tensor => mul(sub(right, left), sub(bottom, top));
  const extent = (low: Tensor, high: Tensor): Tensor => maximum(sub(high, low), 0);
  const shared = mul(
    extent(maximum(own.left, other.left), minimum(own.right, other.right)),
    extent(maximum(own.top, other.top), minimum(own.bottom, other.bottom)),
  );
  const either = sub(add(area(own), area(other)), shared);
  const hull = mul(
    extent(minimum(own.left, other.left), maximum(own.right, other.right)),
    extent(minimum(own.top, other.top), maximum(own.bottom, other.bottom)),
  );
  return sub(div(shared, either), div(sub(hull, either), hull));
}

/** The answer of each box, picture by picture: the cheapest assignment under what the network says now. */
function matched(batch: HostArrays, weights: Required<DetectionSettings>['weights']): HostArray {
  const [classes, pictures] = [
    toNumbers(batch.target_classes as HostArray),
    toNumbers(batch.target_pictures as HostArray),
  ];
  const { data: logits, shape } = batch.current_logits as HostArray;
  const { data: boxes } = batch.current_boxes as HostArray;
  const targets = (batch.target_boxes as HostArray).data as Float32Array;
  const [, answers, choices] = shape as [number, number, number];
  const costOf = (target: number, answer: number): number => {
    const row = (pictures[target] as number) * answers + answer;
    const scores = (logits as Float32Array).subarray(row * choices, (row + 1) * choices);
    const found = (boxes as Float32Array).subarray(row * 4, row * 4 + 4);
    const wanted = targets.subarray(target * 4, target * 4 + 4);
    const distance = found.reduce((total, x, i) => total + Math.abs(x - (wanted[i] as number)), 0);
    const likely = probability(scores, classes[target] as number);
    return weights.distance * distance - weights.class * likely - weights.overlap * overlapOf(found, wanted);
  };
  const result = new Array<number>(classes.length);
  for (const picture of new Set(pictures)) {
    const own = pictures.flatMap((other, target) => (other === picture ? [target] : []));
    if (own.length > answers) {
      throw new QuintetError('data', `a picture has ${own.length} boxes, and the network gives ${answers} answers`);
    }
    const costs = own.map((target) => Array.from({ length: answers }, (_, answer) => costOf(target, answer)));
    for (const [i, answer] of cheapestAssignment(costs).entries()) result[own[i] as number] = answer;
  }
  return hostArray('i64', [classes.length], result);
}

function probability(scores: Float32Array, choice: number): number {
  const most = Math.max(...scores);
  const sum = scores.reduce((total, score) => total + Math.exp(score - most), 0);
  return Math.exp((scores[choice] as number) - most) / sum;
}

type Box = ArrayLike<number>;

/** `generalisedOverlap` of two boxes of the host. */
function overlapOf(a: Box, b: Box): number {
  const ends = (box: Box, axis: number): [number, number] => {
    const [middle, half] = [box[axis] as number, (box[axis + 2] as number) / 2];
    return [middle - half, middle + half];
  };
  const area = (box: Box): number => (box[2] as number) * (box[3] as number);
  let [shared, hull] = [1, 1];
  for (const axis of [0, 1]) {
    const [[low, high], [otherLow, otherHigh]] = [ends(a, axis), ends(b, axis)];
    shared *= Math.max(0, Math.min(high, otherHigh) - Math.max(low, otherLow));
    hull *= Math.max(high, otherHigh) - Math.min(low, otherLow);
  }
  const either = area(a) + area(b) - shared;
  return shared / either - (hull - either) / hull;
}

function tally(
  { current_logits: logits, target_classes: classes }: HostArrays,
  nothing: number,
): Record<string, number> {
  const [pictures, answers] = (logits as HostArray).shape as [number, number];
  const boxes = (classes as HostArray).shape[0] as number;
  return { step_boxes: boxes, step_pictures: pictures, step_weights: boxes + nothing * (pictures * answers - boxes) };
}
