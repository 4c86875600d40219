/**
 * Words under the scores that a network gives them.
 *
 * B rows, T tokens, V vocabulary, N = B T
 */
import {
  add,
  cast,
  crossEntropy,
  div,
  equal,
  logSoftmax,
  mean,
  mul,
  neg,
  not,
  pad,
  reshape,
  rowsOf,
  select,
  slice,
  sub,
  sum,
  type Tensor,
  where,
} from '../../graph/index.js';
import type { Params } from '../../nn/index.js';
import { ignored, productOf, QuintetError } from '../../tensor/index.js';
import type { Network, Tensors } from '../network.js';
import type { Loss } from './objective.js';

export interface TextLoss extends Loss {
  readonly mean: Tensor;
}

export interface WordOptions {
  /** The part of a target that is spread over all words: Szegedy et al., 2016, section 7; default 0. */
  readonly smoothing?: number;
  /** Weight of log² Z, which keeps scores from drifting: Chowdhery et al., "PaLM", 2022, section 5; default 0. */
  readonly zLoss?: number;
}

/** Cross entropy of every next token: logits [B, T, V], labels [B, T] (-100 where there is no target). */
export function nextTokenLoss(logits: Tensor, labels: Tensor, options: WordOptions = {}): TextLoss {
  return tokenLoss(logits, nextLabels(labels), options);
}

/** The label of each place's next token, none for the last: to move the labels costs nothing beside cutting the scores. */
function nextLabels(labels: Tensor): Tensor {
  return add(pad(slice(sub(labels, ignored), 1, 1), 1, 0, 1), ignored);
}

/** Cross entropy of every token under the scores at its own place: logits [B, T, V], labels [B, T]. */
export function tokenLoss(logits: Tensor, labels: Tensor, { smoothing = 0, zLoss = 0 }: WordOptions = {}): TextLoss {
  const targets = reshape(labels, [productOf(labels.shape)]);
  const scores = reshape(logits, [productOf(labels.shape), logits.dim(-1)]);
  const given = not(equal(targets, ignored));
  const plain = lossOf(logits, labels);
  const total =
    smoothing === 0 && zLoss === 0
      ? plain
      : add(mul(plain, 1 - smoothing), sum(where(given, spreadLoss(scores, smoothing, zLoss), 0)));
  const number = sum(cast(given, 'f32'));
  return { total, targets: number, mean: div(total, number) };
}

/** From so many words on, the scores of a batch are by far the largest tensor of a step. */
const manyWords = 2 ** 15;

/** The sum of the losses of [B, T, V] by [B, T]. Of many words a part of the rows is compared at a time, and scored only then. */
function lossOf(logits: Tensor, labels: Tensor): Tensor {
  const [rows, words] = [logits.dim(0), logits.dim(-1)];
  const divides = typeof rows === 'number' && typeof words === 'number' && words >= manyWords;
  const count = divides ? ([4, 3, 2].find((some) => rows % some === 0) ?? 1) : 1;
  if (count === 1) return sum(lossesAt(logits, labels));
  const size = (rows as number) / count;
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [i * size, (i + 1) * size];
    return sum(lossesAt(rowsOf(logits, from, to), slice(labels, 0, from, to)));
  }).reduce((a, b) => add(a, b));
}

/** What smoothing and log² Z add to the loss of scores [N, V]: [N] */
function spreadLoss(scores: Tensor, smoothing: number, zLoss: number): Tensor {
  const logs = logSoftmax(scores);
  const logZ = sub(select(scores, -1, 0), select(logs, -1, 0));
  return add(mul(neg(mean(logs, [-1])), smoothing), mul(mul(logZ, logZ), zLoss));
}

/** The loss of a network's scores by labels, next to each other as that network has them. */
export function wordsLoss(network: Network, logits: Tensor, labels: Tensor, options: WordOptions = {}): TextLoss {
  return (network.ownPlaces ? tokenLoss : nextTokenLoss)(logits, labels, options);
}

/** Log-probabilities of the labelled tokens: logits [B, T, V], labels [B, T] -> [B, T], 0 where there is no label. */
export function logProbabilities(network: Network, logits: Tensor, labels: Tensor): Tensor {
  if (network.ownPlaces) return neg(lossesAt(logits, labels));
  const behind = neg(lossesAt(slice(logits, 1, 0, -1), slice(labels, 1, 1)));
  return pad(behind, 1, 1, 0); // nothing comes before the first token
}

/** [B, T, V] and [B, T] -> [B, T] */
function lossesAt(logits: Tensor, labels: Tensor): Tensor {
  const count = productOf(labels.shape);
  const losses = crossEntropy(reshape(logits, [count, logits.dim(-1)]), reshape(labels, [count]), ignored);
  return reshape(losses, labels.shape);
}

/** Which tokens [B, T] are targets: those with a label, but for the first where scores are of the next token. */
export function targetsAt(network: Network, labels: Tensor): Tensor {
  const given = cast(not(equal(labels, ignored)), 'f32');
  return network.ownPlaces ? given : pad(slice(given, 1, 1), 1, 1, 0);
}

/** What a network gives for a batch of labelled words. */
export interface Scored {
  /** [B, T, V] */
  readonly logits: Tensor;
  /** Those of the batch, or those that the network puts beside the scores of a longer text: [B, T] */
  readonly labels: Tensor;
  /** All that it gives. */
  readonly outputs: Tensors;
}

export function scored(network: Network, p: Params, batch: Tensors, objective: string): Scored {
  return scoresOf(network, network.forward(p, batch), batch, objective);
}

/** The same, of what the network has given for the batch. */
export function scoresOf(network: Network, outputs: Tensors, batch: Tensors, objective: string): Scored {
  if (!batch.labels) throw new QuintetError('name', `${objective} needs labels`, { at: network.name });
  const { logits, labels = batch.labels } = outputs;
  if (!logits) throw new QuintetError('unsupported', 'it gives no scores of words', { at: network.name });
  return { logits, labels, outputs };
}
