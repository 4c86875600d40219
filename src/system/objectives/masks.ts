/**
 * Masks: which places of a picture belong to a thing.
 *
 * N masks, P places
 */
import { add, div, mean, mul, pow, sigmoid, softplus, sub, sum, type Tensor } from '../../graph/index.js';

/** -log of the probability of targets 0 or 1: scores and targets of one shape. */
export const binaryLoss = (scores: Tensor, targets: Tensor): Tensor => sub(softplus(scores), mul(scores, targets));

export interface FocalOptions {
  /** Weight of what is there, against 1 less it of what is not; default 0.25. */
  readonly alpha?: number;
  /** How much less what is easy counts; default 2. */
  readonly gamma?: number;
}

/** Focal loss of masks [N, P], a mean over places each: [N]. Lin et al., 2017, equation 5, https://arxiv.org/abs/1708.02002 */
export function focalLoss(scores: Tensor, targets: Tensor, { alpha = 0.25, gamma = 2 }: FocalOptions = {}): Tensor {
  const found = sigmoid(scores);
  const missed = sub(add(found, targets), mul(mul(found, targets), 2)); // 1 - p of what is, p of what is not
  const weight = add(mul(targets, 2 * alpha - 1), 1 - alpha);
  return mean(mul(mul(binaryLoss(scores, targets), pow(missed, gamma)), weight), [1]);
}

/** Dice loss of masks [N, P]: [N]. Milletari et al., "V-Net", 2016, with 1 added above and below as in DETR. */
export function diceLoss(scores: Tensor, targets: Tensor): Tensor {
  const found = sigmoid(scores);
  const both = mul(sum(mul(found, targets), [1]), 2);
  return sub(1, div(add(both, 1), add(add(sum(found, [1]), sum(targets, [1])), 1)));
}
