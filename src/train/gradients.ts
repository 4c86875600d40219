/** Gradients of a whole arena: their norm, their clipping, their sum over micro-batches. */

import { QuintetError } from '../tensor/index.js';
import type { Arena } from './arena.js';

/** The Euclidean norm over all gradients, computed in f64; not finite exactly where one of them is not. */
export function gradientNorm({ gradients, kernels }: Arena): number {
  return Math.sqrt(kernels.sumOfSquares(gradients.data));
}

/** What gradients of this norm are multiplied by so that it is at most `largest` (PyTorch's clip_grad_norm_). */
export function clipScale(norm: number, largest: number): number {
  return Math.min(1, largest / (norm + 1e-6));
}

/** Adds the gradients of a further micro-batch, written to `incoming`, to those of the step. */
export function accumulateGradients({ gradients, incoming, kernels }: Arena): void {
  if (!incoming) throw new QuintetError('config', 'the arena was made without accumulation');
  kernels.accumulate(gradients.data, incoming.data);
}
