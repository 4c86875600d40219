/**
 * One output made like another: features regressed, a teacher's distribution learnt.
 *
 * B rows, N places, D width, C choices
 */
import {
  abs,
  add,
  cast,
  detach,
  div,
  exp,
  less,
  logSoftmax,
  mean,
  mul,
  pad,
  sizeAs,
  slice,
  sqrt,
  sub,
  sum,
  type Tensor,
  where,
} from '../../graph/index.js';
import { rootScope } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import { inputTensors, type Network } from '../network.js';
import { type BalanceOptions, balanced } from './balance.js';
import type { Mean, Objective } from './objective.js';
import { scored, targetsAt, wordsLoss } from './words.js';

/** Distances of features [..., D] to others: [...] */
export const distances = {
  squared: (a, b) => mean(squareOf(sub(a, b)), [-1]),
  absolute: (a, b) => mean(abs(sub(a, b)), [-1]),
  /** Squared up to `beta` and absolute from there on: Girshick, "Fast R-CNN", 2015, equation 3. */
  huber: (a, b) => {
    const far = abs(sub(a, b));
    return mean(where(less(far, huberBeta), div(squareOf(far), 2 * huberBeta), sub(far, huberBeta / 2)), [-1]);
  },
  /** 1 less the cosine. */
  cosine: (a, b) => sub(1, div(sum(mul(a, b), [-1]), mul(lengthOf(a), lengthOf(b)))),
} as const satisfies Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>>;

export type DistanceName = keyof typeof distances;

const huberBeta = 0.5;
const squareOf = (x: Tensor): Tensor => mul(x, x);
const lengthOf = (x: Tensor): Tensor => sqrt(sum(squareOf(x), [-1]));

/** The mean distance of predictions [B, N, D] to features over the places that `present` [B, N] has, default all. */
export function regression(distance: DistanceName, predicted: Tensor, wanted: Tensor, present?: Tensor): Mean {
  const far = distances[distance](predicted, wanted);
  if (!present) return { total: sum(far), targets: sizeAs(far.shape, 'f32') };
  const weights = cast(present, 'f32');
  return { total: sum(mul(far, weights)), targets: sum(weights) };
}

export interface DistillOptions {
  /** Both distributions are flattened by it, and the loss multiplied by its square; default 1. */
  readonly temperature?: number;
  /** Whether the student is held to what the teacher says is likely (forward, the default) or to nothing else (reverse). */
  readonly direction?: 'forward' | 'reverse';
}

/**
 * The divergence of a student's scores [..., C] from a teacher's: [...]. Hinton et al., "Distilling the Knowledge in a Neural
 * Network", 2015, section 2; reverse: Gu et al., "MiniLLM", 2023.
 */
export function distillation(student: Tensor, teacher: Tensor, options: DistillOptions = {}): Tensor {
  const { temperature = 1, direction = 'forward' } = options;
  const [own, other] = [student, teacher].map((scores) => logSoftmax(div(scores, temperature))) as [Tensor, Tensor];
  const [held, to] = direction === 'forward' ? [other, own] : [own, other];
  return mul(sum(mul(exp(held), sub(held, to)), [-1]), temperature ** 2);
}

export interface TeachingOptions extends DistillOptions, BalanceOptions {
  /** The part of the loss that the teacher has, and labels have not; default 1. */
  readonly weight?: number;
}

/** What a network gives words, of everything that it takes. */
function scoresOfNetwork(network: Network): Tensor {
  const { logits } = network.forward(rootScope().p, inputTensors(network.inputs));
  if (logits) return logits;
  throw new QuintetError('unsupported', 'it gives no scores of words', { at: network.name });
}

/** A teacher's scores of the words of a batch, as a field of it: `teacher_logits` [B, T, V]. */
export function distil({ weight = 1, ...options }: TeachingOptions = {}): Objective {
  return {
    name: 'distil',
    settings: { weight, ...options },
    inputs: (network) => ({ teacher_logits: { dtype: 'f32', shape: scoresOfNetwork(network).shape } }),
    loss(network, p, batch) {
      const { logits, labels, outputs } = scored(network, p, batch, 'distillation');
      const teacher = detach(batch.teacher_logits as Tensor);
      // A place is learnt where what it is scored for has a label: the next one, for most networks.
      const given = network.ownPlaces
        ? targetsAt(network, labels)
        : pad(slice(targetsAt(network, labels), 1, 1), 1, 0, 1);
      const targets = sum(given);
      const taught = sum(mul(distillation(logits, teacher, options), given));
      const words = wordsLoss(network, logits, labels).total;
      const total = weight === 1 ? taught : add(mul(taught, weight), mul(words, 1 - weight));
      const metrics = { 'loss/teacher': { total: taught, targets }, 'loss/words': { total: words, targets } };
      return balanced(network, { total, targets, metrics }, outputs, options);
    },
  };
}
