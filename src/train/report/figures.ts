/** What a run came to in a few numbers. */

import { formatBytes, formatCount, formatDuration } from '../../tensor/index.js';
import { bestOf, verdictOf } from '../evaluations.js';
import type { LoggedStep, ReportedRun } from './read-run.js';

export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly remark?: string;
}

const sumOf = (steps: readonly LoggedStep[], part: (step: LoggedStep) => number): number =>
  steps.reduce((sum, step) => sum + part(step), 0);

export function formatLoss(loss: number): string {
  return loss !== 0 && Math.abs(loss) < 1e-3 ? loss.toExponential(2) : loss.toFixed(4);
}

export function figuresOf(run: ReportedRun): Figure[] {
  const steps = run.stages.flatMap(({ logged }) => logged);
  const [first, last] = [steps[0], steps.at(-1)];
  if (!first || !last) return [{ name: 'Steps', value: '0', remark: `of ${totalOf(run)}` }];
  const time = sumOf(steps, (step) => step.time);
  const done = run.stages.reduce((sum, { logged }) => sum + (logged.at(-1)?.step ?? 0), 0);
  return [
    { name: 'Loss', value: formatLoss(meanOfLast(steps)), remark: `from ${formatLoss(first.loss)}` },
    ...heldOutFigure(run),
    { name: 'Steps', value: String(done), remark: `of ${totalOf(run)}${stoppedEarly(run)}` },
    ...timeFigures(run, steps, { time, done }),
    ...memoryFigure(steps),
  ];
}

const totalOf = (run: ReportedRun): number => run.stages.reduce((sum, { steps }) => sum + steps, 0);

/** The steps that are done or to be done. */
const expectedOf = (run: ReportedRun): number =>
  run.stages.reduce((sum, { steps, ended }) => sum + (ended?.early ? ended.step : steps), 0);

function stoppedEarly({ stages }: ReportedRun): string {
  const early = stages.filter(({ ended }) => ended?.early);
  if (early.length === 0) return '';
  const which = stages.length > 1 ? `${early.map(({ name }) => name).join(', ')} ` : '';
  return `; ${which}stopped early`;
}

/** Single steps say little: the mean over the last twentieth of those of the stage. */
export function meanOfLast(steps: readonly LoggedStep[]): number {
  const { steps: total, step } = steps.at(-1) as LoggedStep;
  const stage = steps.slice(-step);
  const part = stage.slice(-Math.max(1, Math.round(Math.min(total, stage.length) / 20)));
  return sumOf(part, ({ loss }) => loss) / part.length;
}

function heldOutFigure({ stages }: ReportedRun): Figure[] {
  const stage = stages.findLast(({ evaluations }) => evaluations.some(verdictOf));
  const best = stage && bestOf(stage.evaluations);
  const verdict = best && verdictOf(best);
  if (!verdict) return [];
  return [
    {
      name: `Held-out ${verdict.name}`,
      value: formatLoss(verdict.value),
      remark: `best, at step ${best.step}${stage?.ended?.best === undefined ? '' : ', kept'}`,
    },
  ];
}

interface Done {
  /** Milliseconds in all. */
  readonly time: number;
  readonly done: number;
}

function timeFigures(run: ReportedRun, steps: readonly LoggedStep[], { time, done }: Done): Figure[] {
  if (time === 0) return [];
  const tokens = sumOf(steps, ({ tokens }) => tokens);
  const waited = sumOf(steps, (step) => step.waited);
  const left = (expectedOf(run) - done) * (time / steps.length);
  const remark = run.state === 'running' ? { remark: `about ${formatDuration(left)} left` } : {};
  return [
    { name: 'Time in steps', value: formatDuration(time), ...remark },
    ...(tokens > 0 ? [{ name: 'Tokens a second', value: formatCount((1000 * tokens) / time) }] : []),
    { name: 'Waiting for data', value: `${((100 * waited) / time).toFixed(1)} %` },
  ];
}

function memoryFigure(steps: readonly LoggedStep[]): Figure[] {
  const most = steps.reduce((peak, { memory = 0 }) => Math.max(peak, memory), 0);
  return most > 0 ? [{ name: 'Memory', value: formatBytes(most), remark: 'at its peak' }] : [];
}
