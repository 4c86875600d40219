/** Steps of training in PyTorch, in a process of Python. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Program } from '../contender.js';
import type { Settings, TrainingSettings } from '../harness/benchmark.js';

const run = promisify(execFile);

export async function prepare({ path = '', training }: Settings): Promise<() => Promise<Program>> {
  const { work, autocast = 'f32' } = training as TrainingSettings;
  const folder = process.env.BENCH_FOLDER as string;
  const python = process.env.BENCH_PYTHON ?? join(folder, '..', '.venv', 'bin', 'python');
  return async () => ({
    async train(steps) {
      const script = join(folder, 'train_torch.py');
      const { stdout } = await run(python, [script, work, autocast, `${steps}`, path], { maxBuffer: 2 ** 20 });
      return JSON.parse(stdout.trim().split('\n').at(-1) as string);
    },
  });
}
