/** A stage of training as data: what learns, from what, by which objective and optimiser, for how long. */

import type { Glob, Params } from '../nn/index.js';
import { type AdapterSettings, adapterOf } from './adapters/index.js';
import type { Objective } from './objectives/index.js';
import type { Optimizer } from './optimizer.js';
import { learningRows, tableRows } from './table-rows.js';

/** How long a stage runs. */
export type Length = { readonly steps: number } | { readonly epochs: number };
export const steps = (count: number): { readonly steps: number } => ({ steps: count });
export const epochs = (count: number): Length => ({ epochs: count });

export interface Stage {
  readonly name: string;
  /** The parameters that learn, as patterns over their names. */
  readonly train: readonly Glob[];
  /** What learns beside the weights. */
  readonly adapter?: AdapterSettings;
  /** What the literature trained it on. */
  readonly data?: string;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  /** Samples a step. */
  readonly batch: number;
  readonly length: Length;
}

/** The scope in which a stage learns, and all that learns in it. */
export function learningOf({ train, adapter: settings }: Pick<Stage, 'train' | 'adapter'>) {
  const adapter = settings && adapterOf([settings]);
  const rows = learningRows(tableRows(train));
  return {
    train: [...train, ...(adapter?.parameters ?? [])],
    adapt: (p: Params): Params => rows.adapt(adapter ? adapter.adapt(p) : p),
  };
}
