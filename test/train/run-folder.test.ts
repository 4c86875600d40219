import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { beforeEach, expect, test } from 'vitest';
import { ownProcess, wordOf } from '../../src/machine/process.js';
import { type QuintetError, Random } from '../../src/tensor/index.js';
import { RunFolder } from '../../src/train/run-folder.js';
import type { SavedSnapshot } from '../../src/train/snapshot.js';
import { temporaryFolder } from '../temporary.js';
import { snapshotOf } from './saver.js';

let path: string;
beforeEach(() => {
  path = temporaryFolder();
});

async function expectWhole(saved: SavedSnapshot | undefined, step: number) {
  const expected = snapshotOf(step);
  expect(saved?.step).toBe(step);
  expect(saved?.state).toEqual(expected.state);
  for (const [name, bytes] of Object.entries(expected.arrays)) {
    const into = new Uint8Array(bytes.length);
    await saved?.read(name, into);
    expect(Buffer.compare(into, bytes)).toBe(0);
  }
}

async function savedRun(...steps: number[]): Promise<RunFolder> {
  const folder = await RunFolder.open(path);
  for (const step of steps) await folder.save(snapshotOf(step));
  return folder;
}

const checkpoints = () => readdirSync(join(path, 'checkpoints')).sort();
const inCheckpoint = (name: string, file: string) => join(path, 'checkpoints', name, file);

/** Runs the saver until some time after its first checkpoint, kills it, and tells the last step it reported. */
async function runAndKill(script: string, milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, [script, 'save', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the saver ended by itself with ${code}`)));
    child.stdout.on('data', (text: Buffer) => {
      output += text;
      if (output.includes('\n')) resolve();
    });
  });
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('close', resolve));
  setTimeout(() => child.kill('SIGKILL'), milliseconds);
  await ended;
  const whole = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return Number(whole.at(-1));
}

test('a process killed at 25 random moments always leaves its last reported checkpoint, or a newer one, whole', async () => {
  const script = join(path, 'saver.mjs');
  buildSync({
    entryPoints: [new URL('./saver.ts', import.meta.url).pathname],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
  const random = new Random(5);
  let last = 0;
  for (let kill = 0; kill < 25; kill++) {
    last = Math.max(last, await runAndKill(script, random.uniform() * 60));
    const folder = await RunFolder.open(path); // takes over the dead process's lock
    const damaged: QuintetError[] = [];
    const saved = await folder.latest((error) => damaged.push(error));
    expect(damaged).toEqual([]);
    expect(saved?.step).toBeGreaterThanOrEqual(last);
    last = saved?.step ?? last;
    await expectWhole(saved, last);
    await folder.rewindLog(last);
    const logged = readFileSync(join(path, 'log.jsonl'), 'utf8').trim().split('\n');
    expect(logged.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
      Array.from({ length: last }, (_, i) => i + 1),
    );
    await folder.close();
  }
  expect(last).toBeGreaterThanOrEqual(25);
});

test('the newest two checkpoints stay', async () => {
  const folder = await savedRun(1, 2, 3, 1_000_000, 1_000_001);
  expect(checkpoints()).toEqual(['step-1000000', 'step-1000001']);
  await expectWhole(await folder.latest(), 1_000_001);
  await folder.close();
});

test('an old checkpoint that cannot be removed stays, and is told once; new ones are saved', async () => {
  const folder = await savedRun(1, 2);
  // Paths that are too long for the system, which whoever removes step by step can reach.
  const old = join(path, 'checkpoints/step-000001');
  spawnSync('sh', ['-c', `for i in $(seq 30); do mkdir ${'n'.repeat(200)} && cd ${'n'.repeat(200)}; done`], {
    cwd: old,
  });
  const left: QuintetError[] = [];
  for (const step of [3, 4]) await folder.save(snapshotOf(step), { onLeft: (error) => left.push(error) });
  expect(left.map(({ message }) => message)).toEqual([
    `${old}: this old checkpoint cannot be removed: the name is too long`,
  ]);
  expect(checkpoints()).toEqual(['step-000001', 'step-000003', 'step-000004']);
  spawnSync('rm', ['-rf', old]);
  await expectWhole(await folder.latest(), 4);
  await folder.close();
});

test.each<[string, (folder: string) => void]>([
  [
    'one flipped bit',
    (name) => {
      const file = inCheckpoint(name, 'first.bin');
      const bytes = readFileSync(file);
      bytes[12_345] = (bytes[12_345] as number) ^ 1;
      writeFileSync(file, bytes);
    },
  ],
  ['a cut file', (name) => truncateSync(inCheckpoint(name, 'values.bin'), 100)],
  ['a missing file', (name) => rmSync(inCheckpoint(name, 'state.json'))],
  ['no manifest', (name) => rmSync(inCheckpoint(name, 'manifest.json'))],
  ['an empty manifest', (name) => truncateSync(inCheckpoint(name, 'manifest.json'), 0)],
  [
    'another state',
    (name) => copyFileSync(inCheckpoint('step-000001', 'state.json'), inCheckpoint(name, 'state.json')),
  ],
])('a newest checkpoint with %s is told of, and the one before it is used', async (_, damage) => {
  const folder = await savedRun(1, 2);
  damage('step-000002');
  const told: QuintetError[] = [];
  await expectWhole(await folder.latest((error) => told.push(error)), 1);
  expect(told).toHaveLength(1);
  expect(told[0]?.message).toContain('step-000002');
  // Reaching the step again neither replaces the damaged one nor removes the whole one in its favour.
  await folder.save(snapshotOf(2));
  expect(checkpoints()).toEqual(['step-000001', 'step-000002.1']);
  await expectWhole(await folder.latest(), 2);
  await folder.close();
});

test('a newest checkpoint that cannot be read just now is not passed over: the run would undo what it holds', async () => {
  const folder = await savedRun(1, 2);
  const state = inCheckpoint('step-000002', 'state.json');
  rmSync(state);
  mkdirSync(state);
  const told: QuintetError[] = [];
  await expect(folder.latest((error) => told.push(error))).rejects.toMatchObject({
    ...{ code: 'io', message: `${state}: it is a folder` },
  });
  expect(told).toEqual([]);
  await folder.close();
});

test('a checkpoint that cannot be saved says so', async () => {
  const folder = await savedRun(1);
  const [all, away] = [join(path, 'checkpoints'), join(path, 'away')];
  renameSync(all, away);
  await expect(folder.save(snapshotOf(2))).rejects.toThrow(
    `${all}: the checkpoint of step 2 cannot be saved: there is no folder`,
  );
  renameSync(away, all);
  await expectWhole(await folder.latest(), 1);
  await folder.close();
});

test('where every checkpoint is damaged there is none', async () => {
  const folder = await savedRun(3);
  rmSync(inCheckpoint('step-000003', 'manifest.json'));
  expect(await folder.latest()).toBeUndefined();
  await folder.close();
});

test('an array of another size is not read', async () => {
  const folder = await savedRun(3);
  const saved = await folder.latest();
  await expect(saved?.read('values', new Uint8Array(4))).rejects.toThrow(
    /200000 bytes saved, 4 wanted.*other trained/s,
  );
  await expect(saved?.read('second', new Uint8Array(4))).rejects.toThrow('no bytes saved');
  await folder.close();
});

test('a folder is refused while another run works in it; the lock of a dead one is taken over', async () => {
  const folder = await RunFolder.open(path);
  await expect(RunFolder.open(path)).rejects.toThrow(`process ${process.pid} on`);
  await folder.close();
  const lock = join(path, 'lock');
  const gone = { ...ownProcess(), pid: 2 ** 30 }; // process numbers end far below
  writeFileSync(lock, wordOf(gone));
  await (await RunFolder.open(path)).close();
  // Of another machine, or of a container that is called alike, whose processes are not seen from here.
  for (const other of [{ host: 'another' }, { machine: 'another', boot: 'another' }, { container: '12' }]) {
    const owner = { ...gone, ...other };
    writeFileSync(lock, wordOf(owner));
    await expect(RunFolder.open(path)).rejects.toThrow(`process ${gone.pid} on ${owner.host} is working`);
  }
  writeFileSync(lock, '');
  await expect(RunFolder.open(path)).rejects.toThrow('does not say which process works in this folder');
});

test('a process of another machine that has the same number keeps its lock', async () => {
  const lock = join(path, 'lock');
  const word = wordOf({ ...ownProcess(), host: 'another', machine: 'another', boot: 'another' });
  // As it stands in the moment after it was linked, whatever of the owner names the temporary file.
  writeFileSync(lock, word);
  for (const name of [process.pid, word]) linkSync(lock, `${lock}.${name}`);
  await expect(RunFolder.open(path)).rejects.toThrow(`process ${process.pid} on another is working`);
  expect(readFileSync(lock, 'utf8')).toBe(word);
  expect(readdirSync(path).filter((name) => name.includes('stale') || name.endsWith(wordOf(ownProcess())))).toEqual([]);
});

test('the log is cut back to the step the run goes on from, without the line a crash cut short', async () => {
  const log = join(path, 'log.jsonl');
  writeFileSync(
    log,
    '{"step":1,"note":"a\u2028b"}\n{"step":2}\n{"step":2,"event":"saved"}\n{"step":3}\n{"step":4,"los',
  );
  const folder = await RunFolder.open(path);
  expect(readFileSync(log, 'utf8')).toMatch(/\{"step":3\}\n$/);
  await folder.rewindLog(2);
  await folder.log({ step: 3, loss: 0.5 });
  await folder.close();
  expect(readFileSync(log, 'utf8')).toBe(
    '{"step":1,"note":"a\u2028b"}\n{"step":2}\n{"step":2,"event":"saved"}\n{"step":3,"loss":0.5}\n',
  );
});
