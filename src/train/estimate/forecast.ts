/** What a stage is expected to take, told before its first step, and what it took, told at its end. */

import type { Model } from '../../model/index.js';
import type { HostArrays } from '../../system/index.js';
import { formatBytes, formatDuration } from '../../tensor/index.js';
import type { LogRecord } from '../log-record.js';
import type { StageStep } from '../step.js';
import type { StepReport, TrainOptions } from '../train.js';
import { batchSizes, learningBy, memoryOf } from './memory.js';
import { workOf } from './schedule.js';

/** What a run takes. */
export interface Cost {
  /** The most bytes that the process has in memory. */
  readonly memory: number;
  /** Milliseconds of the steps that are left to do; absent before it is known how fast a pass is. */
  readonly time?: number;
}

export const formatCost = ({ memory, time }: Cost): string =>
  time === undefined ? formatBytes(memory) : `${formatBytes(memory)} and ${formatDuration(time)}`;

export interface Estimate {
  /** At the end of the steps that were done. */
  readonly estimated: Cost;
  /** What it came to; at the end. */
  readonly was?: Cost;
}

/** All micro-batches of a step. */
export interface MadeBatches {
  readonly batches: readonly HostArrays[];
  /** Milliseconds that they took with what must be known of them, as far as it cannot be while another step runs. */
  readonly making: number;
}

/** Follows a run from its first step in this process to its last one. */
export interface Forecast {
  /** To be called before the first pass of a step, counted from 0. */
  begin(step: number, made: MadeBatches): void;
  /** To be called after the first pass of a step. */
  passed(): Promise<void>;
  stepped(report: StepReport): void;
  end(): Promise<void>;
}

/** What nobody measures is not estimated. */
const silent: Forecast = { begin() {}, async passed() {}, stepped() {}, async end() {} };

export interface ForecastOptions {
  /** Bytes that the process had before the stage; undefined without a meter. */
  readonly before: number | undefined;
  readonly log: (record: LogRecord) => Promise<void>;
}

export function openForecast(
  model: Model,
  { prepared }: Pick<StageStep, 'prepared'>,
  options: TrainOptions,
  { before, log }: ForecastOptions,
): Forecast {
  const { objective, optimizer, pruning, steps, clock, memory, largest, data, onEstimate } = options;
  if (before === undefined || !memory) return silent;
  let estimated: Cost | undefined;
  /** First passes that the steps left come to, what they wait for their batches, and when the first one began. */
  let passes = 0;
  let waiting = 0;
  let began: number | undefined;
  let first = 0;
  let was = { step: 0, time: 0, memory: 0 };
  return {
    begin(step, { batches, making }) {
      if (estimated || batches.length === 0) return;
      const most = largest ?? batches;
      const beside = data.memory?.(most, learningBy(model, prepared));
      const learning = { objective, optimizer, pruning, batches: most };
      estimated = { memory: memoryOf(model, prepared, { ...learning, before, beside }) };
      const work = workOf(prepared.graph);
      const works = batches.map((batch) => work(batchSizes(model, prepared, { batch, objective })));
      passes = ((steps - step) * works.reduce((sum, own) => sum + own, 0)) / (works[0] as number);
      waiting = ((steps - step) * making) / (objective.iterations ?? 1);
      first = step;
      was = { ...was, step };
      onEstimate?.({ estimated });
      began = clock?.();
    },
    async passed() {
      if (!clock || began === undefined || !estimated) return;
      estimated = { ...estimated, time: (clock() - began) * passes + waiting };
      began = undefined;
      onEstimate?.({ estimated });
      await log({ step: was.step, estimate: { estimated } });
    },
    stepped({ step, time, memory: now = 0 }) {
      was = { step, time: was.time + time, memory: Math.max(was.memory, now) };
    },
    async end() {
      if (!estimated || was.time === 0) return;
      const { time, memory: most } = estimated;
      // A run that was stopped has done only a part of what was left.
      const part = (was.step - first) / (steps - first);
      const expected = { memory: most, ...(time === undefined ? {} : { time: time * part }) };
      const told = { estimated: expected, was: { time: was.time, memory: Math.max(was.memory, memory()) } };
      onEstimate?.(told);
      await log({ step: was.step, estimate: told });
    },
  };
}
