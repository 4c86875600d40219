/** A stage that is cut short, to see whether it works. */

import { type Optimizer, usualCuts } from '../../system/index.js';
import type { AdapterRequest } from './adapter.js';

interface Whole {
  readonly optimizer: Optimizer;
  readonly adapter?: AdapterRequest;
}

/** The stage with a warm-up that is no longer than so many steps, and with cuts of ranks that they have room for. */
export function trialOf<S extends Whole>(stage: S, steps: number): S {
  const { optimizer, adapter } = stage;
  const isLong = typeof optimizer.warmup === 'object' && optimizer.warmup.steps > steps;
  const { warmup, rest } = { ...usualCuts, ...adapter?.cuts };
  const isFull = adapter?.cuts && warmup + rest >= steps;
  return {
    ...stage,
    ...(isLong ? { optimizer: { ...optimizer, warmup: { steps } } } : {}),
    ...(isFull ? { adapter: { ...adapter, cuts: { ...adapter.cuts, warmup: 0, rest: 0 } } } : {}),
  };
}
