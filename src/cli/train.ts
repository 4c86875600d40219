/** `quintet train`: runs a run file, with a line of progress. */

import { basename } from 'node:path';
import { type RunStage, runFile, type StepReport } from '../train/index.js';
import { exitCodes } from './failures.js';
import { formatCount, formatDuration } from './format.js';
import { onInterrupt } from './interrupt.js';
import { invocation } from './invocation.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note, ProgressLine } from './terminal.js';

export interface TrainCommandOptions extends GlobalOptions {
  readonly output?: string;
  readonly steps?: number;
}

/** Returns the exit code. A run that was stopped goes on where it was when the command is given again. */
export async function train(file: string, options: TrainCommandOptions): Promise<number> {
  const { output, steps } = options;
  const started = performance.now();
  const line = new ProgressLine();
  let last: StepReport | undefined;
  const interrupt = onInterrupt(() => {
    if (!last) return;
    line.end();
    note('Stopping after this step, with a checkpoint. Ctrl-C again ends at once.');
  });
  const pace = new Pace();
  try {
    const { stopped, folder } = await runFile(file, {
      ...(await loadOptions(options, interrupt.signal)),
      ...(output === undefined ? {} : { output }),
      ...(steps === undefined ? {} : { steps }),
      clock: () => performance.now(),
      signal: interrupt.signal,
      onNotice: (error) => {
        line.clear();
        note(error.message);
      },
      onStage(stage, plan) {
        line.end();
        note(`${stage.name}: ${plan.samples} samples, ${plan.steps} steps of ${stage.batch}, in ${plan.folder}`);
        pace.begin();
      },
      onStep(stage, report) {
        last = report;
        line.show(progressOf(stage, report, pace.add(report)), { always: report.step === report.steps });
      },
    });
    line.end();
    process.stdout.write(`${summary({ stopped, folder, last, took: performance.now() - started })}\n`);
    return stopped ? exitCodes.interrupted : 0;
  } finally {
    interrupt.forget();
  }
}

/** Averages over the steps so far, of which the newest count most. */
class Pace {
  #time = 0;
  #waited = 0;
  #targets = 0;
  #weight = 0;

  begin(): void {
    this.#time = this.#waited = this.#targets = this.#weight = 0;
  }

  /** Milliseconds of a step, how much of them it waits for data, and target tokens a second. */
  add({ time, waited, targets }: StepReport): {
    readonly time: number;
    readonly waiting: number;
    readonly speed: number;
  } {
    const keep = 0.95;
    this.#time = keep * this.#time + time;
    this.#waited = keep * this.#waited + waited;
    this.#targets = keep * this.#targets + targets;
    this.#weight = keep * this.#weight + 1;
    const whole = Math.max(this.#time, 1e-3);
    return { time: whole / this.#weight, waiting: this.#waited / whole, speed: (1000 * this.#targets) / whole };
  }
}

function progressOf(stage: RunStage, report: StepReport, pace: ReturnType<Pace['add']>): string {
  const { step, steps, loss, rate } = report;
  const parts = [
    stage.name,
    `${step}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    `rate ${rate.toExponential(2)}`,
    `${formatCount(pace.speed)} tokens/s`,
    `waiting ${Math.round(100 * pace.waiting)} %`,
    step === steps ? 'done' : `${formatDuration(pace.time * (steps - step))} left`,
  ];
  return parts.join('  ');
}

interface Outcome {
  readonly stopped: boolean;
  readonly folder: string | undefined;
  readonly last: StepReport | undefined;
  readonly took: number;
}

function summary({ stopped, folder, last, took }: Outcome): string {
  const where = last ? ` after step ${last.step} of ${last.steps}, loss ${last.loss.toFixed(4)}` : '';
  if (stopped) return `Stopped${where}. The same command goes on from there.`;
  return `Trained in ${formatDuration(took)}${where}.\n${folder}\nTry it: ${invocation()} chat ${basename(folder ?? '') === 'adapter' ? `MODEL --adapter ${folder}` : folder}`;
}
