/** A stage that is cut short, to see whether it works. */

import type { Optimizer } from '../../system/index.js';

/** The stage with a warm-up that is no longer than so many steps. */
export function trialOf<S extends { readonly optimizer: Optimizer }>(stage: S, steps: number): S {
  const { warmup } = stage.optimizer;
  if (typeof warmup !== 'object' || warmup.steps <= steps) return stage;
  return { ...stage, optimizer: { ...stage.optimizer, warmup: { steps } } };
}
