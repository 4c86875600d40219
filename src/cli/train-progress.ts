/** What is said while a run is at work: lines for people on the standard error, or events for programs on the output. */

import type { QuintetError } from '../tensor/index.js';
import {
  type Ended,
  type Estimate,
  type Evaluated,
  type FeatureProgress,
  formatCost,
  type RunStage,
  type StagePlan,
  type StepReport,
  verdictOf,
} from '../train/index.js';
import { formatBytes, formatCount, formatDuration } from './format.js';
import { note, type ProgressLine, printable } from './terminal.js';
import { tryCommand } from './try-it.js';

export interface TrainProgress {
  stage(stage: RunStage, plan: StagePlan): void;
  step(stage: RunStage, report: StepReport): void;
  evaluation(stage: RunStage, evaluation: Evaluated): void;
  ended(stage: RunStage, ended: Ended): void;
  estimate(stage: RunStage, estimate: Estimate): void;
  features(stage: RunStage, progress: FeatureProgress): void;
  notice(error: QuintetError): void;
  /** Told when the run is about to end before its end, with what else there is to say to that. */
  stopping(remark: string): void;
  end(outcome: Outcome): void;
}

export interface Outcome {
  readonly stopped: boolean;
  /** What was written; undefined where the run was stopped. */
  readonly folder: string | undefined;
  /** How `chat` is told of it; undefined where it answers nothing. */
  readonly source: string | undefined;
  readonly last: StepReport | undefined;
  /** Milliseconds. */
  readonly took: number;
}

/** One JSON object a line, each with its `event`; numbers as they are. */
export function trainEvents(write: (line: string) => void): TrainProgress {
  const tell = (event: string, content: object): void => write(`${JSON.stringify({ event, ...content })}\n`);
  return {
    stage: ({ name, batch }, { samples, steps, folder }) =>
      tell('stage', { stage: name, samples, batch, steps, folder }),
    step: ({ name }, report) => tell('step', { stage: name, ...report, peakMemory: peakMemory() }),
    evaluation: ({ name }, evaluation) => tell('evaluation', { stage: name, ...evaluation }),
    ended: ({ name }, ended) => tell('ended', { stage: name, ...ended }),
    estimate: ({ name }, estimate) => tell('estimate', { stage: name, ...estimate, peakMemory: peakMemory() }),
    features: ({ name }, progress) => tell('features', { stage: name, ...progress }),
    notice: ({ code, message }) => tell('notice', { code, message }),
    stopping: () => tell('stopping', {}),
    end: ({ stopped, folder, last, took }) =>
      tell('end', { stopped, folder, step: last?.step, loss: last?.loss, took }),
  };
}

/** A line that is written over on a terminal, and elsewhere one every ten seconds. */
export function trainLines(line: ProgressLine): TrainProgress {
  const pace = new Pace();
  let seeing: Seeing | undefined;
  let begun: { readonly plan: StagePlan; readonly cut: Cut } | undefined;
  const say = (text: string): void => {
    line.clear();
    note(text);
  };
  return {
    stage(stage, plan) {
      line.end();
      note(`${stage.name}: ${plan.samples} samples, ${stepsOf(stage, plan)}, in ${plan.folder}`);
      pace.begin();
      begun = { plan, cut: new Cut() };
      seeing = undefined;
    },
    step(stage, report) {
      const isLast = report.step === report.steps;
      const features = seeing?.text;
      const progress = progressOf(stage, report, pace.add(report));
      line.show(features === undefined ? progress : `${progress}  ${features}`, { always: isLast });
      if (isLast) line.end();
      const cut = begun?.cut.add(stage, begun.plan, report);
      if (cut !== undefined) say(`${stage.name}: ${cut}`);
    },
    evaluation(stage, evaluation) {
      for (const text of evaluationLines(stage, evaluation)) say(printable(text, process.stderr));
    },
    ended(stage, ended) {
      for (const text of endingLines(stage, ended)) say(text);
    },
    estimate(stage, estimate) {
      say(`${stage.name}: ${estimateOf(estimate)}`);
    },
    features(stage, progress) {
      seeing ??= new Seeing(progress.samples);
      seeing.add(progress);
      // What is seen while a step runs is said with the step.
      if (pace.isEmpty && seeing.text !== undefined) line.show(`${stage.name}  ${seeing.text}`);
    },
    notice: ({ message }) => say(message),
    stopping(remark) {
      line.end();
      note(`Stopping after this step, with a checkpoint. ${remark}`);
    },
    end(outcome) {
      line.end();
      process.stdout.write(`${summary(outcome)}\n`);
    },
  };
}

/** What a process tells that is not the first one of a run. */
export function trainNotices(rank: number): TrainProgress {
  const nothing = (): void => {};
  return {
    ...{ stage: nothing, step: nothing, evaluation: nothing, ended: nothing, stopping: nothing, end: nothing },
    ...{ estimate: nothing, features: nothing },
    notice: ({ message }) => note(`process ${rank}: ${message}`),
  };
}

function stepsOf({ batch, microBatch = batch, recompute, memory }: RunStage, { steps }: StagePlan): string {
  const chosen = [...(microBatch < batch ? [`${microBatch} at once`] : []), ...(recompute ? ['recomputing'] : [])];
  return `${steps} steps of ${batch}${memory === undefined || chosen.length === 0 ? '' : `, ${chosen.join(', ')}`}`;
}

/** What is expected, and in the end what it was. */
function estimateOf({ estimated, was }: Estimate): string {
  if (was) return `estimated ${formatCost(estimated)}, was ${formatCost(was)}`;
  // The evaluation before the first step may have taken more than the steps will.
  const [most, isFirst] = [peakMemory(), estimated.time === undefined];
  const before = isFirst && most > estimated.memory ? `; before them the process took up to ${formatBytes(most)}` : '';
  return `the steps take about ${formatCost(estimated)}${before}`;
}

interface Pacing {
  /** Milliseconds of a step. */
  readonly time: number;
  /** The part of it that is spent waiting for data. */
  readonly waiting: number;
  /** Tokens a second; 0 where a batch does not say how many it has. */
  readonly speed: number;
}

/** Averages over the steps so far, of which the newest count most. */
class Pace {
  #time = 0;
  #waited = 0;
  #tokens = 0;
  #weight = 0;

  /** Whether there is no step yet. */
  get isEmpty(): boolean {
    return this.#weight === 0;
  }

  begin(): void {
    this.#time = this.#waited = this.#tokens = this.#weight = 0;
  }

  add({ time, waited, tokens }: StepReport): Pacing {
    const keep = 0.95;
    this.#time = keep * this.#time + time;
    this.#waited = keep * this.#waited + waited;
    this.#tokens = keep * this.#tokens + tokens;
    this.#weight = keep * this.#weight + 1;
    const whole = Math.max(this.#time, 1e-3);
    return { time: whole / this.#weight, waiting: this.#waited / whole, speed: (1000 * this.#tokens) / whole };
  }
}

/** How fast the features of pictures come that are kept. */
class Seeing {
  readonly #began = performance.now();
  #last: FeatureProgress | undefined;
  #speed = 0;

  constructor(
    /** Samples that were seen when the time began. */
    private readonly first: number,
  ) {}

  add(progress: FeatureProgress): void {
    this.#last = progress;
    const seconds = (performance.now() - this.#began) / 1000;
    this.#speed = seconds > 0 ? (progress.samples - this.first) / seconds : 0;
  }

  /** Undefined when all have been seen. */
  get text(): string | undefined {
    if (!this.#last || this.#last.samples >= this.#last.of) return undefined;
    const { samples, of } = this.#last;
    const speed =
      this.#speed > 0
        ? [`${formatCount(this.#speed)}/s`, `${formatDuration((1000 * (of - samples)) / this.#speed)} left`]
        : [];
    return [`features ${samples}/${of}`, ...speed].join(', ');
  }
}

/** What matters most comes first: a narrow terminal cuts the line. */
function progressOf(stage: RunStage, report: StepReport, pace: Pacing): string {
  const { step, steps, loss, rate, memory } = report;
  const parts = [
    stage.name,
    `${step}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    ...metricParts(report),
    step === steps ? 'done' : `${formatDuration(pace.time * (steps - step))} left`,
    ...(pace.speed > 0 ? [`${formatCount(pace.speed)} tokens/s`] : []),
    `rate ${rate.toExponential(2)}`,
    `waiting ${Math.round(100 * pace.waiting)} %`,
    ...(memory === undefined ? [] : [`${formatBytes(memory)}, at most ${formatBytes(peakMemory())}`]),
  ];
  return parts.join('  ');
}

/** What an objective tells besides its loss that says most about how it goes, by the names of logs. */
const telling: Readonly<Record<string, string>> = {
  'rewards/accuracies': 'accuracy',
  'rewards/margins': 'margin',
  reward: 'reward',
  'reward/equal': 'alike',
  'rewards/chosen': 'good',
  'rewards/rejected': 'bad',
  'picked/image': 'image',
  'picked/text': 'text',
};

/** At most two metrics, such as `accuracy 0.75  margin 0.312`. */
const metricParts = ({ metrics = {} }: StepReport): string[] =>
  Object.entries(telling)
    .flatMap(([name, word]) => (metrics[name] === undefined ? [] : [`${word} ${Number(metrics[name].toPrecision(3))}`]))
    .slice(0, 2);

/** Samples that were cut in the steps of a stage. */
class Cut {
  #cut = 0;
  #seen = 0;
  #told = false;

  /** What there is to say of it, once: after all samples have come, or at the end. */
  add({ batch, longest }: RunStage, { samples }: StagePlan, { step, steps, cut = 0 }: StepReport): string | undefined {
    this.#cut += cut;
    this.#seen += batch;
    if (this.#told || this.#cut === 0 || (this.#seen < samples && step < steps)) return undefined;
    this.#told = true;
    const share = Number(((100 * this.#cut) / this.#seen).toPrecision(3));
    const length = longest === undefined ? "the model's context" : `${longest} tokens`;
    return `${this.#cut} of ${this.#seen} samples (${share} %) were longer than ${length} and have been cut`;
  }
}

/** The most bytes that the process ever had in memory. */
const peakMemory = (): number => 1024 * process.resourceUsage().maxRSS;

function evaluationLines({ name, evaluation }: RunStage, evaluated: Evaluated): string[] {
  const { step, metrics = {}, answers = [] } = evaluated;
  const verdict = verdictOf(evaluated);
  const others = Object.entries(metrics).filter(([metric]) => metric !== verdict?.name);
  const found = [
    ...(verdict ? [`held-out ${verdict.name} ${verdict.value.toFixed(4)}`] : []),
    ...others.map(([metric, value]) => `${metric} ${Number(value.toPrecision(4))}`),
  ];
  const questions = evaluation?.samples ?? [];
  return [
    ...(found.length > 0 ? [`${name}, step ${step}: ${found.join('  ')}`] : []),
    ...answers.map((answer, i) => `${name}, step ${step}: "${questions[i]?.prompt ?? ''}" ${JSON.stringify(answer)}`),
  ];
}

/** What evaluations had to do with the end of a stage. */
function endingLines({ name, evaluation }: RunStage, { step, of, early, best }: Ended): string[] {
  const { patience = 0, least = 0 } = evaluation?.earlyStopping ?? {};
  const why = `the last ${patience} evaluations were not better${least > 0 ? ` by ${least}` : ''}`;
  return [
    ...(early ? [`${name}: stopped early after step ${step} of ${of}: ${why}`] : []),
    ...(best === undefined ? [] : [`${name}: kept the values of step ${best}, which did best on held-out samples`]),
  ];
}

function summary({ stopped, folder, source, last, took }: Outcome): string {
  const where = last ? ` after step ${last.step} of ${last.steps}, loss ${last.loss.toFixed(4)}` : '';
  if (stopped || folder === undefined) return `Stopped${where}. The same command goes on from there.`;
  const next = source === undefined ? [] : [tryCommand(`chat ${source}`)];
  return [`Trained in ${formatDuration(took)}${where}.`, folder, ...next].join('\n');
}
