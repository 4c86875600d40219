/** What the lines of a run's log hold. */

import type { StepReport } from './train.js';

/** A line: of a step, of an evaluation, or of something else that happened. */
export interface LogRecord {
  /** Steps done; never falls from line to line. */
  readonly step: number;
  /** Milliseconds since 1970; only where the run was given a clock. */
  readonly at?: number;
  readonly [name: string]: unknown;
}

/** What was found out at a step about samples that are not learnt from. */
export interface Evaluation {
  /** Mean over all targets of the held-out samples; absent where there are none, or answers to them are drawn anew. */
  readonly loss?: number;
  readonly targets?: number;
  /** What the objective tells besides its loss. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** What the model says to each of the run's sample questions. */
  readonly answers?: readonly string[];
}

/** How a stage ended that went by its evaluations; in the log as `ended`. */
export interface Ending {
  /** The step that was asked for as the last one. */
  readonly of: number;
  /** Whether early stopping ended it before that. */
  readonly early: boolean;
  /** The step whose values are its result, where the best ones are kept. */
  readonly best?: number;
}

/** How a stage ended that has gone no further since; undefined where its evaluations decided nothing. */
export function endingIn(records: readonly LogRecord[]): Ended | undefined {
  const last = records.findLast((record) => record.ended !== undefined);
  if (last === undefined || records.some(({ step }) => step > last.step)) return undefined;
  return { step: last.step, ...(last.ended as Ending) };
}

/** An ending and the step that it came after. */
export interface Ended extends Ending {
  readonly step: number;
}

/** Numbers of a record, by the names that transformers' Trainer gives them. */
export function scalarsOf(record: LogRecord): Record<string, number> {
  const { evaluation } = record as { readonly evaluation?: Evaluation };
  if (evaluation) return named('eval', { loss: evaluation.loss, ...evaluation.metrics });
  const { loss, rate, norm, memory, metrics, ...step } = record as Partial<StepReport>;
  const { time = 0, tokens = 0, waited = 0 } = step;
  return named('train', {
    ...{ loss, learning_rate: rate, grad_norm: norm },
    ...(time > 0 ? { tokens_per_second: (1000 * tokens) / time, waiting: waited / time } : {}),
    memory_bytes: memory,
    ...metrics,
  });
}

/** Answers of an evaluation, as Markdown. */
export function textsOf(record: LogRecord): Record<string, string> {
  const { answers = [] } = (record.evaluation ?? {}) as Evaluation;
  return Object.fromEntries(answers.map((answer, i) => [`samples/${i}`, answer]));
}

function named(group: string, values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const told = Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return Object.fromEntries(told.map(([name, value]) => [`${group}/${name}`, value]));
}
