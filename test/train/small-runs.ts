/** Runs of tiny models that are stopped in their midst and go on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTensors } from '../../src/checkpoint/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { type RunOptions, runFile } from '../../src/train/index.js';

type Values = Readonly<Record<string, readonly number[]>>;

export interface ComparedRuns {
  /** Of the run that was never stopped. */
  readonly losses: readonly number[];
  /** What both wrote. */
  readonly whole: Values;
  readonly resumed: Values;
}

/** Runs a file to its end, and once more to another folder, stopped after five steps. Both results are read. */
export async function stoppedAndResumed(
  file: string,
  options: RunOptions,
  weights = 'model.safetensors',
): Promise<ComparedRuns> {
  const losses: number[] = [];
  const first = await runFile(file, { ...options, onStep: (_, { loss }) => losses.push(loss) });
  const output = `${file}-again`;
  const stop = new AbortController();
  const stopped = await runFile(file, {
    ...{ ...options, output, signal: stop.signal },
    onStep: (_, { step }) => step === 5 && stop.abort(),
  });
  if (!stopped.stopped) throw new Error('the run was not stopped');
  const steps: number[] = [];
  const second = await runFile(file, { ...options, output, onStep: (_, { step }) => steps.push(step) });
  if (steps[0] !== 6) throw new Error(`it went on with step ${steps[0]}`);
  const read = async (folder = ''): Promise<Values> =>
    Object.fromEntries(
      Object.entries(await readTensors(join(folder, weights))).map(([name, array]) => [
        name,
        toNumbers(array as HostArray),
      ]),
    );
  return { losses, whole: await read(first.folder), resumed: await read(second.folder) };
}

/** The lines of a stage's log. */
export const logOf = (folder: string, stage: string): readonly Record<string, unknown>[] =>
  readFileSync(join(folder, 'out', stage, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
