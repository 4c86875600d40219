/**
 * AdamW: Adam with weight decay apart from the gradient.
 *
 * Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, https://arxiv.org/abs/1711.05101; in the order
 * of operations of PyTorch's AdamW, which it equals to rounding.
 */
import type { Arena } from './arena.js';

export interface AdamWSettings {
  /** Decay rates of the running means of gradients and squared gradients. */
  readonly betas: readonly [number, number];
  /** Added to the root, after bias correction. */
  readonly eps: number;
  /** Weight decay, of the tensors that have it. */
  readonly decay: number;
}

export interface AdamWStep {
  /** Counted from 1, over the whole run. */
  readonly step: number;
  /** The learning rate of this step. */
  readonly rate: number;
  /** What the gradients are multiplied by, such as the factor of clipping; default 1. */
  readonly gradientScale?: number;
}

/** Updates values and moments of an arena from its gradients, which stay as they are. */
export function adamwStep(arena: Arena, settings: AdamWSettings, { step, rate, gradientScale = 1 }: AdamWStep): void {
  const [beta1, beta2] = settings.betas;
  for (const { decay, rate: multiplier, offset, bytes } of arena.groups) {
    const groupRate = rate * multiplier;
    const stretch = {
      values: arena.values.address + offset,
      gradients: arena.gradients.address + offset,
      first: arena.first.address + offset,
      second: arena.second.address + offset,
      bytes,
    };
    arena.kernels.adamw(stretch, {
      gradientScale,
      shrink: decay ? 1 - groupRate * settings.decay : 1,
      oneMinusBeta1: 1 - beta1,
      beta2,
      oneMinusBeta2: 1 - beta2,
      rootCorrection: 1 / Math.sqrt(1 - beta2 ** step),
      eps: settings.eps,
      stepSize: groupRate / (1 - beta1 ** step),
    });
  }
}
