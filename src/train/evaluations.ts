/** What follows from the evaluations of a stage: which was best, and whether it is of use to go on. */

import type { Evaluation, LogRecord } from './log-record.js';
import type { EarlyStopping } from './settings/evaluation.js';

/** An evaluation and the step that it was made after. */
export interface Evaluated extends Evaluation {
  readonly step: number;
}

export function evaluationsIn(records: readonly LogRecord[]): Evaluated[] {
  return records.flatMap(({ step, evaluation }) => (evaluation ? [{ step, ...(evaluation as Evaluation) }] : []));
}

/** There is one before the first step, every so many steps, and one after the last. */
export const isDue = (step: number, { every, steps }: { readonly every: number; readonly steps: number }): boolean =>
  step % every === 0 || step === steps;

/** What an evaluation is judged by. */
export interface Verdict {
  /** A loss is to fall, a reward to rise. */
  readonly name: 'loss' | 'reward';
  readonly value: number;
}

/** The loss on held-out samples or, of answers that are drawn to them, the mean reward; undefined where none are held out. */
export function verdictOf({ loss, metrics: { reward } = {} }: Evaluation): Verdict | undefined {
  if (loss !== undefined) return { name: 'loss', value: loss };
  return reward === undefined ? undefined : { name: 'reward', value: reward };
}

/** The more, the better. */
function goodness(evaluation: Evaluation): number {
  const { name, value = Number.NEGATIVE_INFINITY } = verdictOf(evaluation) ?? {};
  return name === 'loss' ? -value : value;
}

/** The earliest of the best evaluations. */
export function bestOf(evaluations: readonly Evaluated[]): Evaluated | undefined {
  return evaluations.reduce<Evaluated | undefined>(
    (best, own) => (best === undefined || goodness(own) > goodness(best) ? own : best),
    undefined,
  );
}

/** Whether the last `patience` evaluations were none of them better by `least` than the best before them. */
export function isExhausted(evaluations: readonly Evaluated[], { patience, least }: EarlyStopping): boolean {
  let best = Number.NEGATIVE_INFINITY;
  let waiting = 0;
  for (const evaluation of evaluations) {
    const own = goodness(evaluation);
    const isBetter = own > best + least;
    waiting = isBetter ? 0 : waiting + 1;
    if (isBetter) best = own;
  }
  return waiting >= patience;
}
