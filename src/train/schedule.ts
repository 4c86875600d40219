/** Learning rates over a run: warm-up, then a curve, with the values of transformers' schedulers and of torch's. */

import type { Curve, CurveName, Descent, Schedule, Share } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';

/** What of a run is known to a curve. */
interface Run {
  /** Counted from 0. */
  readonly step: number;
  readonly total: number;
  /** Steps of warm-up. */
  readonly warmup: number;
  /** The rate at the end, as a part of the largest. */
  readonly minimum: number;
}

const stepsOf = (share: Share, total: number): number =>
  typeof share === 'number' ? Math.ceil(share * total) : share.steps;

/** Steps of warm-up in a run of `total` steps; a part of the run is rounded up. */
export function warmupSteps({ warmup = 0 }: Schedule, total: number): number {
  return stepsOf(warmup, total);
}

/**
 * The learning rate of step `step`, counted from 0, in a run of `total` steps. Warm-up is linear from 0: with it, step 0 moves
 * nothing. Beyond the end most curves stay where they are, while cosines, as in transformers, go up again.
 */
export function learningRate(optimizer: Schedule, step: number, total: number): number {
  return optimizer.lr * rateFactor(optimizer, step, total);
}

/** The learning rate as a part of the largest. */
export function rateFactor(optimizer: Schedule, step: number, total: number): number {
  const { minimum = 0 } = optimizer;
  const curve = curveOf(optimizer);
  const run = { step, total, warmup: warmupSteps(optimizer, total), minimum };
  if (curve.kind === 'one-cycle') return oneCycle(curve, run);
  return step < run.warmup ? warmUp(curve, run) : factorOf(curve, run);
}

function curveOf({ schedule = 'constant' }: Schedule): Curve {
  return typeof schedule === 'string' ? { kind: schedule satisfies CurveName } : schedule;
}

function warmUp(curve: Curve, { step, warmup, minimum }: Run): number {
  switch (curve.kind) {
    case 'warmup-stable-decay':
      return between(minimum, 1 - descent(curve.warmupShape ?? 'linear', step / warmup, 'rising'));
    case 'cosine-warmup-with-min-lr':
      return curve.from === undefined ? (step + 1) / warmup : between(curve.from, step / Math.max(1, warmup - 1));
    default:
      return step / warmup;
  }
}

function factorOf(curve: Exclude<Curve, { kind: 'one-cycle' }>, run: Run): number {
  const { step, total, warmup, minimum } = run;
  const length = Math.max(1, total - warmup);
  const progress = (step - warmup) / length;
  switch (curve.kind) {
    case 'constant':
      return 1;
    case 'linear':
      return Math.max(0, total - step) / length;
    case 'cosine':
      return Math.max(0, between(minimum, wave(2 * (curve.cycles ?? 0.5) * progress)));
    case 'cosine-with-restarts':
      return progress >= 1 ? 0 : Math.max(0, wave(((curve.cycles ?? 1) * progress) % 1));
    case 'cosine-warmup-with-min-lr':
      return Math.max(0, between(minimum, wave((step - warmup + 1) / length)));
    case 'polynomial':
      return progress > 1 ? minimum : between(minimum, (1 - progress) ** (curve.power ?? 1));
    case 'inverse-sqrt': {
      // Without warm-up transformers takes 10 000.
      const timescale = curve.timescale ?? (warmup || 10_000);
      return 1 / Math.sqrt((step + timescale - warmup) / timescale);
    }
    case 'warmup-stable-decay': {
      const falling = stepsOf(curve.decay, total);
      const into = step - (total - falling);
      if (into < 0) return 1;
      return into < falling ? between(minimum, descent(curve.shape ?? 'linear', into / falling, 'falling')) : minimum;
    }
    case 'step':
      return (curve.factor ?? 0.1) ** Math.floor((step - warmup) / curve.every);
  }
}

/** Half a wave from 1 at 0 to 0 at 1. */
const wave = (progress: number): number => 0.5 * (1 + Math.cos(Math.PI * progress));

/** From `low` at 0 to 1 at 1. */
const between = (low: number, factor: number): number => factor * (1 - low) + low;

/** From 1 to 0. Going down by a root is steep at first; coming up by it, the same curve is run backwards. */
function descent(shape: Descent, progress: number, direction: 'rising' | 'falling'): number {
  if (shape === 'linear') return 1 - progress;
  if (shape === 'cosine') return wave(progress);
  return direction === 'falling' ? 1 - Math.sqrt(progress) : Math.sqrt(1 - progress);
}

/** torch's OneCycleLR with cosines. */
function oneCycle(
  { rising = 0.3, beginsAt = 25, endsAt = 1e4 }: Curve & { readonly kind: 'one-cycle' },
  { step, total }: Run,
): number {
  const [low, last] = [1 / beginsAt, 1 / beginsAt / endsAt];
  const [top, end] = [rising * total - 1, total - 1];
  const at = Math.min(step, end);
  if (at <= top) return 1 + (low - 1) * wave(at / top);
  return last + (1 - last) * wave((at - top) / (end - top));
}

/** Curves that end at `minimum`. */
const withMinimum: readonly Curve['kind'][] = [
  ...(['cosine', 'cosine-warmup-with-min-lr', 'polynomial', 'warmup-stable-decay'] as const),
];

/** Refuses a schedule that cannot be meant, before the first of `total` steps. `at` names it for error messages. */
export function checkSchedule(optimizer: Schedule, total: number, at: string): void {
  const { lr, warmup = 0, minimum = 0 } = optimizer;
  const curve = curveOf(optimizer);
  const wrong = (field: string, expected: string, got: number | string, hint?: string) =>
    new QuintetError('config', `expected ${expected}, got ${got}`, {
      at: `${at}.${field}`,
      ...(hint === undefined ? {} : { hint }),
    });
  if (!(lr > 0 && lr < Number.POSITIVE_INFINITY)) throw wrong('lr', 'a positive number', lr);
  if (!(minimum >= 0 && minimum <= 1)) throw wrong('minimum', 'a part of lr, from 0 to 1', minimum);
  if (curve.kind === 'one-cycle') {
    const { rising = 0.3 } = curve;
    const fits = rising * total > 1 && rising <= 1;
    if (!fits) throw wrong('schedule.rising', 'more than one step, and a part of the run up to 1', rising);
  }
  if (minimum > 0 && !withMinimum.includes(curve.kind)) {
    throw wrong('minimum', `none with the schedule ${curve.kind}, only with ${withMinimum.join(', ')}`, minimum);
  }
  if (typeof warmup === 'number' && !(warmup >= 0 && warmup < 1)) {
    throw wrong('warmup', 'a part of the run below 1 (a number of steps is given as { steps })', warmup);
  }
  const steps = warmupSteps(optimizer, total);
  if (!(Number.isInteger(steps) && steps >= 0 && steps <= total)) {
    const hint = "where it is the recipe's, give the stage a warmup of its own, such as 0.03, a part of the run";
    throw wrong('warmup.steps', `a whole number up to the ${total} steps of the run`, steps, hint);
  }
  if (curve.kind === 'one-cycle' && steps > 0) throw wrong('warmup', 'none: one-cycle brings its own', steps);
  if (curve.kind === 'warmup-stable-decay') {
    const falling = stepsOf(curve.decay, total);
    if (!(Number.isInteger(falling) && falling >= 0 && steps + falling <= total)) {
      throw wrong('schedule.decay', `a part of the ${total - steps} steps after warm-up`, falling);
    }
  }
  for (const [name, value] of Object.entries(curve)) {
    if (typeof value === 'number' && !(value > 0 && value < Number.POSITIVE_INFINITY) && name !== 'decay') {
      throw wrong(`schedule.${name}`, 'a positive number', value);
    }
  }
}
