/** A stage of training as data: what learns, from what, by which objective and optimiser, for how long. */

import type { Glob } from '../nn/index.js';
import type { Objective } from './objectives/index.js';

/** AdamW: Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101 */
export interface AdamW {
  readonly kind: 'adamw';
  readonly lr: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** Weight decay; default 0. */
  readonly decay?: number;
  /** What decays: matrices only (default), or everything. */
  readonly decayOn?: 'matrices' | 'all';
  /** Linear from zero: a part of all steps below 1, or a number of steps; default 0. */
  readonly warmup?: number | { readonly steps: number };
  /** Default constant. */
  readonly schedule?: 'constant' | 'linear' | 'cosine';
  /** The rate at the end, as a part of `lr`; default 0. */
  readonly minimum?: number;
  /** Gradients are scaled down to this norm; default 1, 0 for never. */
  readonly clip?: number;
}

export const adamw = (settings: Omit<AdamW, 'kind'>): AdamW => ({ kind: 'adamw', ...settings });

/** How long a stage runs. */
export type Length = { readonly steps: number } | { readonly epochs: number };
export const steps = (count: number): { readonly steps: number } => ({ steps: count });
export const epochs = (count: number): Length => ({ epochs: count });

export interface Stage {
  readonly name: string;
  /** The parameters that learn, as patterns over their names. */
  readonly train: readonly Glob[];
  /** What the literature trained it on. */
  readonly data?: string;
  readonly objective: Objective;
  readonly optimizer: AdamW;
  /** Samples a step. */
  readonly batch: number;
  readonly length: Length;
}
