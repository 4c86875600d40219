/** The cache of packed weights: seen and cleaned. */

import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ownProcess, type Process, wordOf } from '../../src/machine/process.js';
import { asSystem, LanguageSession, load } from '../../src/model/index.js';
import { engine } from '../fixture.js';
import { ggufModel } from '../model/gguf-model.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { here, quintet } from './cli.js';

const day = 24 * 60 * 60;

interface Listed {
  readonly bytes: number;
  readonly files: readonly {
    readonly file: string;
    readonly source?: string;
    readonly partial?: string;
    readonly state?: string;
  }[];
}

/** A cache with the packed weights of a model in it. */
async function filledCache(): Promise<{ readonly folder: string; readonly source: string; readonly packed: string[] }> {
  const home = temporaryFolder();
  vi.stubEnv('QUINTET_CACHE', home);
  onTestFinished(() => void vi.unstubAllEnvs());
  const source = join(home, 'model.gguf');
  writeFileSync(source, ggufModel({ width: 128, depth: 1, heads: 4, hidden: 256, vocab: 128, blocks: true }));
  const model = asSystem(await load(source, { engine, weights: 'int8' }));
  await (await LanguageSession.open(model)).close();
  await model.close();
  const folder = join(home, 'weights');
  return { folder, source, packed: readdirSync(folder).sort() };
}

const listed = async (...args: readonly string[]): Promise<Listed> =>
  JSON.parse((await here(['cache', ...args, '--json'])).stdout) as Listed;

test('is listed with the model that each file was made of, and its size is that of the files', async () => {
  const { folder, source, packed } = await filledCache();
  expect(packed.length).toBeGreaterThan(0);
  const bytes = packed.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  const found = await listed();
  expect(found.files.map(({ file }) => file).sort()).toEqual(packed.map((name) => join(folder, name)));
  expect(found.files.every((file) => file.source === source && file.partial === undefined)).toBe(true);
  expect(found.bytes).toBe(bytes);
  expect((await here(['cache'])).stdout).toContain(` today  ${source}\n`);
  expect((await here(['cache', 'size'])).stdout).toMatch(new RegExp(`^\\S+ kB in ${packed.length} files? {2}`));
});

test('looking does not count as using, and only what was not used for so long is cleaned', async () => {
  const { folder, packed } = await filledCache();
  const [old = '', ...others] = packed;
  const before = Date.now() / 1000 - 40 * day;
  utimesSync(join(folder, old), before, before);
  expect((await here(['cache'])).stdout).toContain(' 40 days ago ');
  await listed('clean', '--older-than', '41');
  expect(readdirSync(folder).sort()).toEqual(packed);
  const removed = await listed('clean', '--older-than', '39');
  expect(removed.files.map(({ file }) => file)).toEqual([join(folder, old)]);
  expect(readdirSync(folder).sort()).toEqual(others);
  await listed('clean');
  expect(readdirSync(folder)).toEqual([]);
});

test('what a process left behind goes, what one is writing and files of others stay', async () => {
  const { folder } = await filledCache();
  const of = (change: Partial<Process>): string =>
    join(folder, `.abc.safetensors.${wordOf({ ...ownProcess(), ...change })}.0.part`);
  const gone = { pid: 2 ** 30 }; // process numbers end far below
  const [writing, unseen, left, other] = [
    of({}),
    of({ ...gone, container: '12' }),
    of(gone),
    join(folder, 'notes.txt'),
  ];
  for (const file of [writing, unseen, left, other]) writeFileSync(file, 'x');
  const partial = (await listed()).files.filter((file) => file.partial).map(({ file, partial: how }) => [file, how]);
  expect(partial.sort()).toEqual(
    [
      [left, 'left behind'],
      [writing, 'being written'],
      [unseen, 'being written'],
    ].sort(),
  );
  await listed('clean', '--older-than', '1');
  expect([writing, unseen, left, other].map((file) => existsSync(file))).toEqual([true, true, false, true]);
});

test('checking tells files that were damaged, and uses none', async () => {
  const { folder, packed } = await filledCache();
  const [name = ''] = packed;
  const file = join(folder, name);
  const before = Date.now() / 1000 - 40 * day;
  utimesSync(file, before, before);
  const whole = await quintet(['cache', 'check']);
  expect([whole.code, whole.stdout]).toEqual([0, expect.stringContaining(`0 of ${packed.length} damaged`)]);
  expect(whole.stdout).toContain(' 40 days ago ');
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.from(bytes).fill(0, bytes.length >> 1, (bytes.length >> 1) + 64));
  const damaged = await quintet(['cache', 'check']);
  expect([damaged.code, damaged.stdout]).toEqual([1, expect.stringContaining(`1 of ${packed.length} damaged`)]);
  expect(damaged.stderr).toContain(file);
  writeFileSync(file, Buffer.from(bytes.toString('latin1').replace('"sha256"', '"sha-no"'), 'latin1'));
  const unknown = await quintet(['cache', 'check', '--json']);
  const states = (JSON.parse(unknown.stdout) as Listed).files.map(({ file: path, state }) => [path, state]);
  expect(new Map(states as [string, string][]).get(file)).toBe('unknown');
});

test('an empty one is no mistake', async () => {
  vi.stubEnv('QUINTET_CACHE', join(temporaryFolder(), 'none'));
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await listed()).toMatchObject({ bytes: 0, files: [] });
  expect((await here(['cache', 'list', '--older-than', '3'])).code).toBe(2);
});

test('packing says how far it is about every quarter where no line is written over', async () => {
  vi.stubEnv('QUINTET_CACHE', temporaryFolder());
  onTestFinished(() => void vi.unstubAllEnvs());
  const packed = ggufModel({ width: 128, depth: 6, heads: 4, hidden: 256, vocab: 128, blocks: true });
  const file = temporaryFile('model.gguf', packed);
  const { stderr } = await here(['chat', file, 'hi', '--max-tokens', '1', '--weights', 'int8']);
  const found = [...stderr.matchAll(/^packing weights, once for this file: (\d+) of (\d+)$/gm)];
  const shares = found.map(([, made, total]) => Math.floor((4 * Number(made)) / Number(total)));
  const [, , total] = found[0] as RegExpMatchArray;
  expect(Number(total)).toBeGreaterThan(20);
  // Once for what answers are computed with, and once for what prompts are.
  const quarters = [0, 1, 2, 3, 4];
  expect(shares).toEqual([...quarters, ...quarters]);
});
