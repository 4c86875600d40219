/** What a stage minimises: a value that builds its own graph from the parts of a system. */

import { cast, crossEntropy, div, equal, not, reshape, slice, sum, type Tensor } from '../graph/index.js';
import type { Params } from '../nn/index.js';
import { ignored, productOf, QuintetError } from '../tensor/index.js';
import type { Network, Tensors } from './network.js';

/** A loss as a sum over targets and their number, so that micro-batches of different size add up to one mean. */
export interface Loss {
  /** Scalar. */
  readonly total: Tensor;
  /** Scalar: what `total` is divided by. */
  readonly targets: Tensor;
}

export interface TextLoss extends Loss {
  readonly mean: Tensor;
}

export interface Objective {
  readonly name: string;
  loss(network: Network, p: Params, batch: Tensors): Loss;
}

/** Cross entropy of every next token: logits [B, T, V], labels [B, T] (-100 where there is no target). */
export function nextTokenLoss(logits: Tensor, labels: Tensor): TextLoss {
  return tokenLoss(slice(logits, 1, 0, -1), slice(labels, 1, 1));
}

/** Cross entropy of every token under the scores at its own place: logits [B, T, V], labels [B, T]. */
export function tokenLoss(logits: Tensor, labels: Tensor): TextLoss {
  const count = productOf(labels.shape);
  const targets = reshape(labels, [count]);
  const losses = crossEntropy(reshape(logits, [count, logits.size(-1)]), targets, ignored);
  const total = sum(losses);
  const number = sum(cast(not(equal(targets, ignored)), 'f32'));
  return { total, targets: number, mean: div(total, number) };
}

/** Next-token prediction on the tokens that have a label. */
export function nextToken(): Objective {
  return {
    name: 'next-token',
    loss(network, p, batch) {
      if (!batch.labels) throw new QuintetError('name', 'next-token prediction needs labels', { at: network.name });
      const { logits } = network.forward(p, batch);
      return (network.textLoss ?? nextTokenLoss)(logits as Tensor, batch.labels);
    },
  };
}
