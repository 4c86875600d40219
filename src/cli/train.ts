/** `quintet train`: runs a run file, and says how it goes. */

import { basename } from 'node:path';
import { runFile, type StepReport } from '../train/index.js';
import { exitCodes } from './failures.js';
import { onInterrupt } from './interrupt.js';
import { invocation } from './invocation.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { ProgressLine } from './terminal.js';
import { trainEvents, trainLines } from './train-progress.js';

export interface TrainCommandOptions extends GlobalOptions {
  readonly output?: string;
  readonly steps?: number;
  readonly json?: boolean;
}

/** Returns the exit code. A run that was stopped goes on where it was when the command is given again. */
export async function train(file: string, options: TrainCommandOptions): Promise<number> {
  const { output, steps, json = false } = options;
  const started = performance.now();
  const progress = json
    ? trainEvents((line) => process.stdout.write(line))
    : trainLines(new ProgressLine(), (folder) => `Try it: ${invocation()} chat ${sourceOf(folder)}`);
  let last: StepReport | undefined;
  const interrupt = onInterrupt(() => {
    if (last) progress.stopping();
  });
  try {
    const { stopped, folder } = await runFile(file, {
      ...(await loadOptions(options, interrupt.signal)),
      ...(output === undefined ? {} : { output }),
      ...(steps === undefined ? {} : { steps }),
      // Steady, unlike the clock on the wall, and still a date.
      clock: () => performance.timeOrigin + performance.now(),
      memory: () => process.memoryUsage.rss(),
      signal: interrupt.signal,
      onNotice: progress.notice,
      onStage: progress.stage,
      onEvaluation: progress.evaluation,
      onStep(stage, report) {
        last = report;
        progress.step(stage, report);
      },
    });
    progress.end({ stopped, folder, last, took: performance.now() - started });
    return stopped ? exitCodes.interrupted : 0;
  } finally {
    interrupt.forget();
  }
}

const sourceOf = (folder: string): string => (basename(folder) === 'adapter' ? `MODEL --adapter ${folder}` : folder);
