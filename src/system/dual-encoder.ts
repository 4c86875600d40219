/**
 * Dual encoders: pictures and texts as vectors in one space, where what belongs together lies close.
 *
 * Radford et al., 2021, https://arxiv.org/abs/2103.00020; Zhai et al., 2023, https://arxiv.org/abs/2303.15343
 *
 * M pictures, B texts, D width of the common space
 */
import {
  add,
  cast,
  div,
  equal,
  exp,
  matmul,
  mean,
  mul,
  neg,
  range,
  softplus,
  sqrt,
  sub,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
} from '../graph/index.js';
import { filled, type Glob, linear, type Params } from '../nn/index.js';
import type { Tower, TowerStates } from '../parts/types.js';
import { type Fields, QuintetError } from '../tensor/index.js';
import type { Network, Renames, Tensors } from './network.js';
import { pickingLoss } from './objectives/index.js';
import type { Stage } from './stage.js';
import type { Slot } from './system.js';

/** How vectors are compared and what the comparison is trained to give. */
export interface Matching {
  /** Cosines [B, M] to scores [B, M]. */
  scores(p: Params, cosines: Tensor): Tensor;
  /** Scores [B, B], of which the diagonal belongs together -> scalar. */
  loss(scores: Tensor): Tensor;
}

/** Each text picks its picture among all and each picture its text: CLIP, figure 3. `scale` is a logarithm. */
export function softmaxMatching({ scale = Math.log(1 / 0.07) }: { scale?: number } = {}): Matching {
  return {
    scores: (p, cosines) => mul(cosines, exp(p.get('logit_scale', [], filled(scale)))),
    loss: (scores) => pickingLoss(scores),
  };
}

/** Each pair is judged for itself, summed over the pictures of a text and averaged over texts: SigLIP, algorithm 1. */
export function sigmoidMatching(): Matching {
  return {
    scores: (p, cosines) => {
      const scale = exp(p.get('logit_scale', [1], filled(Math.log(10))));
      return add(mul(cosines, scale), p.get('logit_bias', [1], filled(-10)));
    },
    loss: (scores) => {
      const [texts, pictures] = [range(0, scores.dim(0)), range(0, scores.dim(1))];
      const pairs = cast(equal(unsqueeze(texts, 1), unsqueeze(pictures, 0)), 'f32');
      const sign = sub(mul(pairs, 2), 1); // 1 for what belongs together, -1 for everything else
      return mean(sum(softplus(neg(mul(sign, scores))), [1]));
    },
  };
}

export interface DualEncoderParts {
  readonly name: string;
  readonly paper?: string;
  readonly image: Slot<Tower>;
  readonly text: Slot<Tower>;
  /** Width of the common space, where both sides are projected into it without bias. */
  readonly projection?: number;
  readonly matching: Matching;
  readonly stages?: readonly Stage[];
  readonly renames?: readonly Renames[];
}

export interface DualEncoder extends Network {
  readonly kind: 'dual-encoder';
  readonly stages: readonly Stage[];
}

export const isDualEncoder = (network: Network): network is DualEncoder =>
  'kind' in network && network.kind === 'dual-encoder';

/** Outputs: `<side>_last_hidden`, the vectors `<side>_pooled` and of length 1 `<side>_embeds`, scores both ways, the loss. */
export function dualEncoder(parts: DualEncoderParts): DualEncoder {
  const { name, paper, image, text, stages = [], renames = [] } = parts;
  return {
    kind: 'dual-encoder',
    name,
    ...(paper === undefined ? {} : { paper }),
    stages,
    renames,
    buffers: [...buffersOf(image), ...buffersOf(text)],
    context: text.part.context,
    inputs: { ...text.part.inputs, ...image.part.inputs },
    forward: (p, given) => forward(parts, p, given),
    // Which of them belong together is told by their order: with as many texts as pictures only.
    meaningless: ({ input_ids: texts, pixel_values: pictures }) =>
      texts && pictures && texts.shape[0] !== pictures.shape[0] ? ['loss'] : [],
  };
}

/** What a tower knows to be no parameters, by the names of the whole. */
export function buffersOf({ part, prefix }: Slot<Tower>): Glob[] {
  return (part.buffers ?? []).map((glob) => (prefix ? `${prefix}.${glob}` : glob));
}

/** Vectors [..., D] at length 1. */
export const normalised = (vectors: Tensor): Tensor =>
  div(vectors, sqrt(sum(mul(vectors, vectors), [-1], { keep: true })));

type Side = 'image' | 'text';
const projectors: Readonly<Record<Side, string>> = { image: 'visual_projection', text: 'text_projection' };

function project(p: Params, side: Side, pooled: Tensor, width: number | undefined): Tensor {
  return width === undefined ? pooled : linear(p.at(projectors[side]), pooled, width, { bias: false });
}

function forward({ name, image, text, projection, matching }: DualEncoderParts, p: Params, given: Tensors): Tensors {
  const outputs: Record<string, Tensor> = {};
  const vectors = (side: Side, { part, prefix }: Slot<Tower>): Tensor => {
    const seen = part.forward(p.at(prefix), given);
    const vector = project(p, side, pooledOf(seen, name), projection);
    const embeds = normalised(vector);
    Object.assign(outputs, { [`${side}_embeds`]: embeds, [`${side}_last_hidden`]: seen.last });
    outputs[`${side}_pooled`] = vector;
    return embeds;
  };
  const texts = given.input_ids && vectors('text', text);
  const pictures = given.pixel_values && vectors('image', image);
  if (!texts || !pictures) return outputs;
  const scores = matching.scores(p, matmul(texts, transpose(pictures)));
  return { ...outputs, logits_per_text: scores, logits_per_image: transpose(scores), loss: matching.loss(scores) };
}

function pooledOf({ pooled }: TowerStates, at: string): Tensor {
  if (!pooled) throw new QuintetError('unsupported', 'a dual encoder needs towers that pool', { at });
  return pooled;
}

export interface TowerOptions {
  readonly name: string;
  readonly paper?: string;
  /** Width of a last projection without bias, into the common space. */
  readonly projection?: number | undefined;
}

/** The width of the common space in the `config.json` of a tower that projects into it; nothing where it does not. */
export function readProjection(config: Fields): { readonly projection?: number } {
  const projects = config.texts('architectures', []).some((name) => name.endsWith('WithProjection'));
  return projects ? { projection: config.count('projection_dim', 512) } : {};
}

/** One side alone. Outputs: `last_hidden`, `hidden_states/<i>`, and `pooled`, or `<side>_embeds` where it is projected. */
export function singleTower(side: Side, tower: Slot<Tower>, { name, paper, projection }: TowerOptions): Network {
  return {
    name,
    ...(paper === undefined ? {} : { paper }),
    context: tower.part.context,
    inputs: tower.part.inputs,
    buffers: buffersOf(tower),
    // Newer files leave the level out that the dual encoder needs.
    renames: [[[tower.prefix, '']]],
    forward(p, given) {
      const { states, last, pooled } = tower.part.forward(p.at(tower.prefix), given);
      const outputs: Record<string, Tensor> = { last_hidden: last };
      if (pooled && projection) outputs[`${side}_embeds`] = project(p, side, pooled, projection);
      else if (pooled) outputs.pooled = pooled;
      for (const [i, state] of states.entries()) outputs[`hidden_states/${i}`] = state;
      return outputs;
    },
  };
}
