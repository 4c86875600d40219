/**
 * Learning rates over a run: warm-up, then a schedule. The values of transformers' schedulers (`get_constant_schedule_with_warmup`,
 * `get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup`, `get_cosine_with_min_lr_schedule_with_warmup`).
 */
import { QuintetError } from '../tensor/index.js';

export interface Schedule {
  /** The full learning rate. */
  readonly lr: number;
  /** Linear from zero: a fraction of the run (rounded up to steps) or a number of steps; default none. */
  readonly warmup?: number | { readonly steps: number };
  /** What follows the warm-up; default constant. */
  readonly schedule?: 'constant' | 'linear' | 'cosine';
  /** The part of the full rate at which cosine ends; default 0. */
  readonly minimum?: number;
}

/** Steps of warm-up in a run of `total` steps. */
export function warmupSteps({ warmup = 0 }: Schedule, total: number): number {
  return typeof warmup === 'number' ? Math.ceil(warmup * total) : warmup.steps;
}

/**
 * The learning rate of step `step`, counted from 0, in a run of `total` steps. With warm-up, step 0 has rate 0. Beyond the
 * end linear stays at 0, while cosine, as in transformers, goes up again.
 */
export function learningRate(options: Schedule, step: number, total: number): number {
  const { lr, schedule = 'constant', minimum = 0 } = options;
  const warmup = warmupSteps(options, total);
  if (step < warmup) return (lr * step) / Math.max(1, warmup);
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

/** Refuses a schedule that cannot be meant, before the first step. */
export function checkSchedule(options: Schedule, total: number, at: string): void {
  const { lr, warmup = 0, minimum = 0 } = options;
  const wrong = (field: string, expected: string, got: number) =>
    new QuintetError('config', `expected ${expected}, got ${got}`, { at: `${at}.${field}` });
  if (!(lr > 0 && Number.isFinite(lr))) throw wrong('lr', 'a positive number', lr);
  if (!(minimum >= 0 && minimum <= 1)) throw wrong('minimum', 'a part of lr between 0 and 1', minimum);
  if (typeof warmup === 'number' && !(warmup >= 0 && warmup < 1)) {
    throw wrong('warmup', 'a fraction of the run below 1 (or steps)', warmup);
  }
  const steps = warmupSteps(options, total);
  if (!(Number.isInteger(steps) && steps >= 0 && steps <= total)) {
    throw wrong('warmup.steps', `a whole number up to the ${total} steps of the run`, steps);
  }
}
