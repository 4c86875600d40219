/**
 * Learning rates over a run: warm-up, then a schedule, with the values of transformers' schedulers
 * (`constant_with_warmup`, `linear`, `cosine`, `cosine_with_min_lr`).
 */
import type { AdamW } from '../system/stage.js';
import { QuintetError } from '../tensor/index.js';

export type Schedule = Pick<AdamW, 'lr' | 'warmup' | 'schedule' | 'minimum'>;

/** Steps of warm-up in a run of `total` steps; a part of the run is rounded up. */
export function warmupSteps({ warmup = 0 }: Schedule, total: number): number {
  return typeof warmup === 'number' ? Math.ceil(warmup * total) : warmup.steps;
}

/**
 * The learning rate of step `step`, counted from 0, in a run of `total` steps. Warm-up is linear from 0: with it, step 0 moves
 * nothing. Beyond the end linear stays at 0, while cosine, as in transformers, goes up again.
 */
export function learningRate(optimizer: Schedule, step: number, total: number): number {
  const { lr, schedule = 'constant', minimum = 0 } = optimizer;
  const warmup = warmupSteps(optimizer, total);
  if (step < warmup) return (lr * step) / warmup;
  const length = Math.max(1, total - warmup);
  switch (schedule) {
    case 'constant':
      return lr;
    case 'linear':
      return (lr * Math.max(0, total - step)) / length;
    case 'cosine':
      return lr * (minimum + ((1 - minimum) * (1 + Math.cos((Math.PI * (step - warmup)) / length))) / 2);
  }
}

/** Refuses a schedule that cannot be meant, before the first of `total` steps. `at` names it for error messages. */
export function checkSchedule(optimizer: Schedule, total: number, at: string): void {
  const { lr, warmup = 0, minimum = 0 } = optimizer;
  const wrong = (field: string, expected: string, got: number) =>
    new QuintetError('config', `expected ${expected}, got ${got}`, { at: `${at}.${field}` });
  if (!(lr > 0 && lr < Number.POSITIVE_INFINITY)) throw wrong('lr', 'a positive number', lr);
  if (!(minimum >= 0 && minimum <= 1)) throw wrong('minimum', 'a part of lr, from 0 to 1', minimum);
  if (typeof warmup === 'number' && !(warmup >= 0 && warmup < 1)) {
    throw wrong('warmup', 'a part of the run below 1 (a number of steps is given as { steps })', warmup);
  }
  const steps = warmupSteps(optimizer, total);
  if (!(Number.isInteger(steps) && steps >= 0 && steps <= total)) {
    throw wrong('warmup.steps', `a whole number up to the ${total} steps of the run`, steps);
  }
}
