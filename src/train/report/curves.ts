/** The charts of a report: what was logged at each step, run over run, stage behind stage. */

import { formatBytes, formatCount } from '../../tensor/index.js';
import { type Chart, type Curve, chart } from './chart.js';
import { formatLoss } from './figures.js';
import type { Html } from './html.js';
import type { LoggedStep, ReportedRun, ReportedStage } from './read-run.js';
import type { Point } from './series.js';

/** The charts for which there is anything to show. */
export function charts(runs: readonly ReportedRun[]): Html[] {
  const borders = runs.map(bordersOf).find((own) => own.length > 1) ?? [];
  return kinds(runs).flatMap(({ training, evaluation, ...options }) => {
    // A stage's curve is its own: what was before is neither joined to it nor part of its means.
    const curves = runs.flatMap((run, index) =>
      placed(run).flatMap(({ stage, before }): Curve[] => [
        ...(training ? [{ run: index, name: 'training', points: loggedPoints(stage, before, training) }] : []),
        ...(evaluation
          ? [{ run: index, name: 'held out', points: evaluatedPoints(stage, before, evaluation), marked: true }]
          : []),
      ]),
    );
    const shown = curves.filter(({ points }) => points.length > 0);
    return shown.length > 0 ? [chart({ ...options, curves: shown, borders })] : [];
  });
}

interface Kind extends Omit<Chart, 'curves' | 'borders'> {
  /** A step's value, and an evaluation's. */
  readonly training?: (step: LoggedStep) => number | undefined;
  readonly evaluation?: (evaluation: ReportedStage['evaluations'][number]) => number | undefined;
}

function kinds(runs: readonly ReportedRun[]): Kind[] {
  const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
  const short = (value: number): string => String(Number(value.toPrecision(3)));
  return [
    { title: 'Loss', wide: true, format: shortLoss, training: ({ loss }) => loss, evaluation: ({ loss }) => loss },
    ...metricNames(runs).map(
      (name): Kind => ({
        title: name,
        format: short,
        training: ({ metrics }) => metrics?.[name],
        evaluation: ({ metrics }) => metrics?.[name],
      }),
    ),
    { title: 'Learning rate', format: shortRate, training: ({ rate }) => rate },
    { title: "Gradient's norm, before clipping", format: short, training: ({ norm }) => norm },
    {
      title: 'Tokens a second',
      format: formatCount,
      fromZero: true,
      training: ({ tokens, time }) => (time > 0 && tokens > 0 ? (1000 * tokens) / time : undefined),
    },
    {
      title: 'Share of a step spent waiting for data',
      format: percent,
      fromZero: true,
      training: ({ waited, time }) => (time > 0 ? waited / time : undefined),
    },
    { title: 'Memory', format: formatBytes, fromZero: true, training: ({ memory }) => memory },
  ];
}

/** Marks of an axis have few digits, values that are pointed at all of theirs. */
const shortLoss = (loss: number): string =>
  formatLoss(loss)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
const shortRate = (rate: number): string => (rate === 0 ? '0' : rate.toExponential(2).replace(/\.?0+e/, 'e'));

function metricNames(runs: readonly ReportedRun[]): string[] {
  const stages = runs.flatMap((run) => run.stages);
  const metrics = stages.flatMap(({ logged, evaluations }) => [logged.at(-1)?.metrics, evaluations.at(-1)?.metrics]);
  return [...new Set(metrics.flatMap((own) => Object.keys(own ?? {})))];
}

interface Placed {
  readonly stage: ReportedStage;
  /** Steps of earlier stages: as many as were made, which may be fewer than planned. */
  readonly before: number;
}

function placed({ stages }: ReportedRun): Placed[] {
  let before = 0;
  return stages.map((stage) => {
    const own = { stage, before };
    before += stage.logged.at(-1)?.step ?? 0;
    return own;
  });
}

function bordersOf(run: ReportedRun): Chart['borders'] {
  const begun = placed(run).filter(({ stage }) => stage.logged.length > 0);
  return begun.map(({ stage, before }) => ({ x: before, name: stage.name }));
}

function loggedPoints({ logged }: ReportedStage, before: number, value: NonNullable<Kind['training']>): Point[] {
  return logged.flatMap((step) => pointAt(before + step.step, value(step)));
}

function evaluatedPoints(
  { evaluations }: ReportedStage,
  before: number,
  value: NonNullable<Kind['evaluation']>,
): Point[] {
  return evaluations.flatMap((evaluation) => pointAt(before + evaluation.step, value(evaluation)));
}

/** JSON has no NaN: what was none is null. */
const pointAt = (x: number, y: number | undefined): Point[] => (typeof y === 'number' ? [{ x, y }] : []);
