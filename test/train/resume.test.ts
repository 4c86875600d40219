import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { Random } from '../../src/tensor/index.js';
import { runFolder, stage } from './runs.js';
import { logOf as recordsOf } from './small-runs.js';

/** When a process is killed: after a number of steps or before the first one, and some milliseconds later. */
interface Kill {
  readonly steps: number;
  readonly milliseconds: number;
}

/** Starts or resumes a run; tells whether it was killed before its end. */
async function runUntil(script: string, file: string, kill?: Kill): Promise<boolean> {
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [steps, errors, killed] = [0, '', false];
  const end = () => {
    killed = true;
    child.kill('SIGKILL');
  };
  const reached = () => {
    if (kill && steps === kill.steps && !killed) setTimeout(end, kill.milliseconds);
  };
  reached();
  child.stdout.on('data', (text: Buffer) => {
    for (const _ of text.toString().matchAll(/^\d+$/gm)) {
      steps++;
      reached();
    }
  });
  child.stderr.on('data', (text: Buffer) => {
    errors += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0 && !killed) throw new Error(`the run failed by itself:\n${errors}`);
  return code !== 0;
}

/** The log without what a clock or a meter measured; each process estimates what is left to do. */
function logOf(folder: string, name: string): unknown[] {
  const records = recordsOf(folder, name).filter(({ estimate }) => estimate === undefined);
  return records.map(({ time, waited, at, memory, ...record }) => {
    const ofStep = record.evaluation ? [time, at] : [time, waited, at, memory];
    const measured = record.ended ? [at] : ofStep;
    expect(measured.every((value) => typeof value === 'number')).toBe(true);
    return record;
  });
}

test('a run that is killed 22 times ends with the same bits and the same log as one that is not', async () => {
  // Where the packages are found that the bundle leaves outside.
  const scripts = new URL(`../../node_modules/.quintet-test-${process.pid}/`, import.meta.url).pathname;
  mkdirSync(scripts);
  onTestFinished(() => rmSync(scripts, { recursive: true, force: true }));
  writeFileSync(join(scripts, 'package.json'), '{"type":"module"}');
  const script = join(scripts, 'runner.js');
  buildSync({
    // The threads that decode pictures have a file of their own.
    entryPoints: ['./runner.ts', '../../src/data/workers/picture-worker.ts'].map(
      (path) => new URL(path, import.meta.url).pathname,
    ),
    entryNames: '[name]',
    outdir: scripts,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  const stages = [
    stage({ name: 'align', batch: 3, microBatch: 2, steps: 60, saveEvery: 3, train: ['multi_modal_projector.**'] }),
    stage({ name: 'instruct', steps: 40, saveEvery: 3 }),
  ];
  const settings = {
    ...{ evaluate: { data: 'chats.jsonl', every: 8 }, samples: [{ prompt: 'What do you see?', maxTokens: 3 }] },
    ...{ keepBest: true, stages },
  };
  const [whole, killed] = [runFolder(settings), runFolder(settings)];
  await runUntil(script, whole.file);

  const random = new Random(11);
  let kills = 0;
  while (kills < 22) {
    const steps = kills % 5 === 4 ? 0 : 1 + random.integer(7);
    if (await runUntil(script, killed.file, { steps, milliseconds: random.uniform() * (steps === 0 ? 300 : 12) }))
      kills++;
    else break;
  }
  expect(kills).toBe(22);
  await runUntil(script, killed.file);

  for (const name of ['align', 'instruct']) {
    expect(logOf(killed.folder, name)).toEqual(logOf(whole.folder, name));
  }
  const weights = ({ folder }: { readonly folder: string }) =>
    readFileSync(join(folder, 'out/model/model.safetensors'));
  expect(Buffer.compare(weights(killed), weights(whole))).toBe(0);
}, 600_000);
