/** `quintet train`: runs a run file, and says how it goes. */

import { launchOf, type MpiGroup } from '../parallel/index.js';
import { type RunResult, runFile, type StepReport } from '../train/index.js';
import { exitCodes } from './failures.js';
import { onInterrupt } from './interrupt.js';
import { typed } from './invocation.js';
import { goOnWithoutOutput } from './output.js';
import { amongProcesses, onMpirunStop } from './processes.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { ProgressLine } from './terminal.js';
import { type TrainProgress, trainEvents, trainLines, trainNotices } from './train-progress.js';

export interface TrainCommandOptions extends GlobalOptions {
  readonly output?: string;
  readonly steps?: number;
  readonly json?: boolean;
  /** Seconds that processes of one run wait for each other. */
  readonly patience?: number;
}

/**
 * Returns the exit code. A run that was stopped goes on where it was when the command is given again. Where mpirun has
 * started this process, it trains together with the others.
 */
export async function train(file: string, options: TrainCommandOptions): Promise<number> {
  goOnWithoutOutput();
  const launch = launchOf(process.env);
  if (!launch) return trainAs(file, options);
  return amongProcesses(launch, options, (group, threads) => trainAs(file, { ...options, threads }, group));
}

async function trainAs(file: string, options: TrainCommandOptions, group?: MpiGroup): Promise<number> {
  const { output, steps } = options;
  const started = performance.now();
  const progress = progressOf(options, group);
  let last: StepReport | undefined;
  const stopping = (remark: string) => (): void => {
    if (last) progress.stopping(remark);
  };
  const interrupt = group
    ? onMpirunStop(stopping('mpirun has been told to end, or one of the processes has died.'))
    : onInterrupt(stopping('Ctrl-C again ends at once.'));
  try {
    const result = await runFile(file, {
      ...(await loadOptions(options, interrupt.signal)),
      ...(output === undefined ? {} : { output }),
      ...(steps === undefined ? {} : { steps }),
      // Steady, unlike the clock on the wall, and still a date.
      clock: () => performance.timeOrigin + performance.now(),
      memory: () => process.memoryUsage.rss(),
      signal: interrupt.signal,
      ...(group ? { group } : {}),
      onNotice: progress.notice,
      onStage: progress.stage,
      onEvaluation: progress.evaluation,
      onEnd: progress.ended,
      onEstimate: progress.estimate,
      onFeatures: progress.features,
      onStep(stage, report) {
        last = report;
        progress.step(stage, report);
      },
    });
    const { stopped, folder } = result;
    progress.end({ stopped, folder, source: sourceOf(result), last, took: performance.now() - started });
    return stopped ? exitCodes.interrupted : 0;
  } finally {
    interrupt.forget();
  }
}

/** Of several processes the first one tells how the run goes, the others only of their own data. */
function progressOf({ json = false }: TrainCommandOptions, group: MpiGroup | undefined): TrainProgress {
  if (group && group.rank > 0) return trainNotices(group.rank);
  return json ? trainEvents((line) => process.stdout.write(line)) : trainLines(new ProgressLine());
}

/** How `chat` is told of what was trained: a folder, or an adapter with the model that it is for. */
function sourceOf({ folder, answers, base }: RunResult): string | undefined {
  if (folder === undefined || !answers) return undefined;
  return base === undefined ? typed(folder) : `${typed(base)} --adapter ${typed(folder)}`;
}
