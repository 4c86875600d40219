/** A stage of training as data: what learns, from what, by which objective and optimiser, for how long. */

import type { Glob } from '../nn/index.js';
import type { Objective } from './objectives/index.js';
import type { Optimizer } from './optimizer.js';

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
  readonly optimizer: Optimizer;
  /** Samples a step. */
  readonly batch: number;
  readonly length: Length;
}
