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
    const curves = runs.flatMap((run, index): Curve[] => [
      ...(training ? [{ run: index, name: 'training', points: pointsOf(run, loggedPoints(training)) }] : []),
      ...(evaluation
        ? [{ run: index, name: 'held out', points: pointsOf(run, evaluatedPoints(evaluation)), marked: true }]
        : []),
    ]);
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

/** How many steps of earlier stages lie before each stage: as many as were made, which may be fewer than planned. */
function offsets({ stages }: ReportedRun): number[] {
  let before = 0;
  return stages.map(({ logged }) => {
    const own = before;
    before += logged.at(-1)?.step ?? 0;
    return own;
  });
}

function bordersOf(run: ReportedRun): Chart['borders'] {
  const places = offsets(run);
  return run.stages.flatMap(({ name, logged }, i) => (logged.length > 0 ? [{ x: places[i] as number, name }] : []));
}

type PointsOf = (stage: ReportedStage) => readonly Point[];

function pointsOf(run: ReportedRun, own: PointsOf): Point[] {
  const places = offsets(run);
  return run.stages.flatMap((stage, i) => own(stage).map(({ x, y }) => ({ x: x + (places[i] as number), y })));
}

const loggedPoints =
  (value: NonNullable<Kind['training']>): PointsOf =>
  ({ logged }) =>
    logged.flatMap((step) => pointAt(step.step, value(step)));

const evaluatedPoints =
  (value: NonNullable<Kind['evaluation']>): PointsOf =>
  ({ evaluations }) =>
    evaluations.flatMap((evaluation) => pointAt(evaluation.step, value(evaluation)));

const pointAt = (x: number, y: number | undefined): Point[] => (y === undefined ? [] : [{ x, y }]);
