/** A run of `quintet train`, in a process of its own, and what its log says. */

import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Program } from '../contender.js';
import type { Settings, TrainingSettings } from '../harness/benchmark.js';

const run = promisify(execFile);

/** A step in the log; lines of other kinds have no time. */
interface Step {
  readonly loss: number;
  readonly time: number;
  readonly waited: number;
}

/** The folder holds a model as `base` and samples as `chats.jsonl`. Of a run with kept features, the first epoch comes before. */
export async function prepare({ path = '', threads, training }: Settings): Promise<() => Promise<Program>> {
  const { work, frozen = 'f32' } = training as TrainingSettings;
  const project = join(process.env.BENCH_FOLDER as string, '..');
  const batch = 4;
  const samples = readFileSync(join(path, 'chats.jsonl'), 'utf8').trim().split('\n').length;
  const keeps = work === 'projector-kept';
  const stage = {
    ...{ name: 'project', data: 'chats.jsonl', train: ['multi_modal_projector.**'], batch, frozen },
    ...{ cacheFeatures: keeps, optimizer: { lr: 1e-3 } },
  };
  return async () => ({
    async train(count) {
      const steps = count + (keeps ? samples / batch : 0);
      const [file, output] = [join(path, 'run.yaml'), join(path, 'out')];
      writeFileSync(file, JSON.stringify({ model: './base', output, stages: [{ ...stage, steps }] }));
      const quintet = ['--import', 'tsx', join(project, 'src', 'cli', 'main.ts')];
      const options = ['--threads', `${threads}`, '--json'];
      await run(process.execPath, [...quintet, 'train', file, ...options], { cwd: project, maxBuffer: 2 ** 26 });
      const lines = readFileSync(join(output, 'project', 'log.jsonl'), 'utf8')
        .trim()
        .split('\n');
      rmSync(output, { recursive: true });
      const told = lines.map((line) => JSON.parse(line) as Step).filter(({ time }) => time !== undefined);
      const last = told.slice(-count);
      return {
        times: last.map(({ time }) => time),
        waited: last.map(({ waited }) => waited),
        losses: told.map(({ loss }) => loss),
      };
    },
  });
}
