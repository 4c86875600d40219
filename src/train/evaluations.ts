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

/** The earliest evaluation with the lowest loss. */
export function bestOf(evaluations: readonly Evaluated[]): Evaluated | undefined {
  const loss = ({ loss = Number.POSITIVE_INFINITY }: Evaluated): number => loss;
  return evaluations.reduce<Evaluated | undefined>(
    (best, own) => (best === undefined || loss(own) < loss(best) ? own : best),
    undefined,
  );
}

/** Whether the last `patience` evaluations were none of them better by `least` than the best before them. */
export function isExhausted(evaluations: readonly Evaluated[], { patience, least }: EarlyStopping): boolean {
  let best = Number.POSITIVE_INFINITY;
  let waiting = 0;
  for (const { loss = Number.POSITIVE_INFINITY } of evaluations) {
    const isBetter = loss < best - least;
    waiting = isBetter ? 0 : waiting + 1;
    if (isBetter) best = loss;
  }
  return waiting >= patience;
}
