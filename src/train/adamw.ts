/**
 * AdamW: Adam with weight decay apart from the gradient.
 *
 * Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, https://arxiv.org/abs/1711.05101; in the order
 * of operations of PyTorch's AdamW, which it equals to rounding.
 */
import type { AdamW } from '../system/stage.js';
import { QuintetError } from '../tensor/index.js';
import type { Arena } from './arena.js';
import { checkSchedule } from './schedule.js';

export type AdamWSettings = Pick<AdamW, 'betas' | 'eps' | 'decay'>;

export interface AdamWStep {
  /** Counted from 1, over the whole run. */
  readonly step: number;
  /** The learning rate of this step. */
  readonly rate: number;
  /** What the gradients are multiplied by, such as the factor of clipping; default 1. */
  readonly gradientScale?: number;
}

/** Updates values and moments of an arena from its gradients, which stay as they are. */
export function adamwStep(
  arena: Arena,
  { betas = [0.9, 0.999], eps = 1e-8, decay = 0 }: AdamWSettings,
  { step, rate, gradientScale = 1 }: AdamWStep,
): void {
  const [beta1, beta2] = betas;
  for (const group of arena.groups) {
    const groupRate = rate * group.rate;
    const stretch = {
      values: arena.values.address + group.offset,
      gradients: arena.gradients.address + group.offset,
      first: arena.first.address + group.offset,
      second: arena.second.address + group.offset,
      bytes: group.bytes,
    };
    arena.kernels.adamw(stretch, {
      gradientScale,
      shrink: group.decay ? 1 - groupRate * decay : 1,
      oneMinusBeta1: 1 - beta1,
      beta2,
      oneMinusBeta2: 1 - beta2,
      rootCorrection: 1 / Math.sqrt(1 - beta2 ** step),
      eps,
      stepSize: groupRate / (1 - beta1 ** step),
    });
  }
}

/** Refuses settings that cannot be meant, before the first of `total` steps. `at` names them for error messages. */
export function checkAdamW(optimizer: AdamW, total: number, at: string): void {
  checkSchedule(optimizer, total, at);
  const { lr, betas = [0.9, 0.999], eps = 1e-8, decay = 0, clip = 1 } = optimizer;
  const check = (field: string, value: number, accepted: boolean, expected: string) => {
    if (!accepted) throw new QuintetError('config', `expected ${expected}, got ${value}`, { at: `${at}.${field}` });
  };
  for (const [i, beta] of betas.entries()) check(`betas[${i}]`, beta, beta >= 0 && beta < 1, 'a number below 1');
  check('eps', eps, eps > 0 && eps < 1, 'a small positive number');
  check('decay', decay, decay >= 0 && lr * decay < 1, 'a number from 0 to less than 1 / lr');
  check('clip', clip, clip >= 0, 'a norm, or 0 for none');
}
