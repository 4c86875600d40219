/** What frozen parts make of pictures, kept on the disk: the same run bit for bit, which computes what is not there. */
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Model, saveModel } from '../../src/model/index.js';
import { type FeatureProgress, type RunOptions, runFile } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { changedModel } from '../model/models.js';
import { groupsOf } from '../parallel/groups.js';
import { expectAlike, logOf, weightsOf } from './alike.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

/** Four chats about three pictures, twice each. */
const runOf = (settings: Settings) =>
  runFolder({ stages: [stage({ name: 'own', train: ['multi_modal_projector.**'], ...settings })] });

async function trained(settings: Settings, base?: Model) {
  const run = runOf(settings);
  if (base) await saveModel(base, join(run.folder, 'base'));
  await runFile(run.file, { engine });
  return run;
}

async function expectSame(own: string, other: string): Promise<void> {
  const numbers = (folder: string) => logOf(folder, 'own').map(({ loss, norm }) => ({ loss, norm }));
  expect(numbers(own)).toHaveLength(4);
  expect(numbers(own)).toEqual(numbers(other));
  expect(await weightsOf(own)).toEqual(await weightsOf(other));
}

const keptIn = (folder: string): string => join(folder, 'out/features');

/** The records in the files of a run, whose states have `numbers` numbers. */
function recordsIn(folder: string, numbers: number): number {
  const record = 64 + 4 * numbers;
  const sizes = readdirSync(keptIn(folder)).map((name) => statSync(join(keptIn(folder), name)).size);
  for (const size of sizes) expect(size % record).toBe(0);
  return sizes.reduce((sum, size) => sum + size, 0) / record;
}

// The encoder of the fixture gives 17 places of 14 numbers, its projector as many of 18.
const [encoded, projected] = [17 * 14, 17 * 18];

test.each([
  ['the encoder', { train: ['multi_modal_projector.**', 'language_model.**'] }, encoded],
  ['the encoder of packed rows', { packing: true, microBatch: 1 }, encoded],
  ['the encoder in four bits', { frozen: 'nf4' }, encoded],
  ['encoder and projector', { train: ['language_model.**'] }, projected],
  [
    'encoder and projector under an adapter',
    { train: [], lora: { rank: 2, on: ['language_model.**.q_proj'] } },
    projected,
  ],
] as const)(
  'what is made of three pictures by %s is kept, and losses and weights are those of a run without',
  async (_, settings, size) => {
    const [kept, plain] = [await trained(settings), await trained({ ...settings, cacheFeatures: false })];
    expect(existsSync(keptIn(plain.folder))).toBe(false);
    expect(recordsIn(kept.folder, size)).toBe(3);
    if ('lora' in settings) expect(logOf(kept.folder, 'own')).toEqual(logOf(plain.folder, 'own'));
    else await expectSame(kept.folder, plain.folder);
  },
);

// In eight bits all pictures of a batch are rounded together: a step's own are rounded with others.
test('features of an encoder in eight bits are kept but for rounding', async () => {
  const wider = await changedModel('llava', (config) => ({
    ...config,
    vision_config: { ...(config.vision_config as object), hidden_size: 128, intermediate_size: 256 },
  }));
  const [kept, plain] = [
    await trained({ frozen: 'int8' }, wider),
    await trained({ frozen: 'int8', cacheFeatures: false }, wider),
  ];
  expect(recordsIn(kept.folder, 17 * 128)).toBe(3);
  const [own, other, whole] = [kept, plain, await trained({}, wider)].map(({ folder }) => logOf(folder, 'own'));
  expect(own).toHaveLength(4);
  for (const [i, { loss, norm }] of (own ?? []).entries()) {
    expect(Math.abs((loss as number) / (other?.[i]?.loss as number) - 1)).toBeLessThan(1e-6);
    expect(Math.abs((norm as number) / (other?.[i]?.norm as number) - 1)).toBeLessThan(1e-3);
    expect(norm).not.toBe(whole?.[i]?.norm);
  }
});

/** What a run tells of its features. */
async function toldOf(file: string, options: Partial<RunOptions> = {}): Promise<FeatureProgress[]> {
  const told: FeatureProgress[] = [];
  const onFeatures: RunOptions['onFeatures'] = ({ name }, progress) => {
    expect(name).toBe('own');
    told.push(progress);
  };
  await runFile(file, { engine, onFeatures, ...options });
  return told;
}

test('who waits is told how many samples have been seen, until all have been, and nothing where all is there', async () => {
  const { file } = runOf({ microBatch: 1, steps: 6 });
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = (_, { step }) => step === 4 && controller.abort();
  const told = await toldOf(file, { signal: controller.signal, onStep });
  // Two of the four chats are about one picture, which is computed once.
  expect(told).toHaveLength(3);
  expect(told.map(({ of }) => of)).toEqual([4, 4, 4]);
  const samples = told.map((own) => own.samples);
  expect(new Set(samples).size).toBe(3);
  for (const count of samples) expect([1, 2, 3, 4]).toContain(count);
  expect(samples).toEqual([...samples].sort((a, b) => a - b));
  const steps: number[] = [];
  expect(await toldOf(file, { onStep: (_, { step }) => steps.push(step) })).toEqual([]);
  expect(steps).toEqual([5, 6]);
});

test('later stages take what was seen by the same weights, and see anew by others', async () => {
  const own = stage({ name: 'own', train: ['multi_modal_projector.**'] });
  const again = { ...own, name: 'again', train: ['multi_modal_projector.**', 'language_model.**'] };
  const { folder, file } = runFolder({
    stages: [own, again, { ...own, name: 'behind', train: ['language_model.**'] }],
  });
  const seeing = new Set<string>();
  await runFile(file, { engine, onFeatures: ({ name }) => seeing.add(name) });
  // The last one keeps what the projector makes of it, too, which has learnt until then.
  expect([...seeing]).toEqual(['own', 'behind']);
  expect(recordsIn(folder, projected)).toBe(3);
});

test('a stage that is over leaves what a later one keeps when the run goes on', async () => {
  const own = stage({ name: 'own', train: ['multi_modal_projector.**'] });
  const { file } = runFolder({ stages: [own, { ...own, name: 'behind', train: ['language_model.**'] }] });
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = ({ name }, { step }) => name === 'behind' && step === 2 && controller.abort();
  expect(await runFile(file, { engine, onStep, signal: controller.signal })).toEqual({ stopped: true });
  const seeing: string[] = [];
  await runFile(file, { engine, onFeatures: ({ name }) => seeing.push(name) });
  expect(seeing).toEqual([]);
});

test('of a run that sees a part of the samples those are told, and what has no room is told once', async () => {
  const { file } = runOf({ steps: 1, optimizer: { lr: 3e-3 }, cacheFeatures: true });
  expect(await toldOf(file)).toEqual([{ samples: 2, of: 2 }]);
  const full = await toldOf(runOf({ steps: 6, cacheFeatures: '0.0015MB' }).file);
  expect(full).toEqual([
    { samples: 2, of: 4 },
    { samples: 4, of: 4 },
  ]);
});

test('a run that goes on reads what is whole, and makes anew what was cut short or spoilt', async () => {
  const plain = await trained({ cacheFeatures: false });
  const { folder, file } = runOf({});
  const controller = new AbortController();
  const stopping: RunOptions = {
    engine,
    signal: controller.signal,
    onStep: (_, { step }) => step === 2 && controller.abort(),
  };
  expect(await runFile(file, stopping)).toEqual({ stopped: true });
  const path = join(keptIn(folder), readdirSync(keptIn(folder))[0] as string);
  const record = 64 + 4 * encoded;
  const bytes = readFileSync(path);
  bytes.fill(0, record + 64, record + 128);
  writeFileSync(path, bytes);
  truncateSync(path, bytes.length - 5);
  await runFile(file, { engine });
  await expectSame(folder, plain.folder);
  expect(readFileSync(path).subarray(0, record)).toEqual(bytes.subarray(0, record));
  // The one that was whole, the one that was spoilt, and both that were made anew.
  expect(recordsIn(folder, encoded)).toBe(4);
});

test('two processes keep a file each, and learn what one learns', async () => {
  const [alone, shared] = [await trained({ cacheFeatures: false }), runOf({})];
  await Promise.all(groupsOf(2).map((group) => runFile(shared.file, { engine, group })));
  expect(
    readdirSync(keptIn(shared.folder))
      .map((name) => name.split('.')[1])
      .sort(),
  ).toEqual(['0', '1']);
  expectAlike(logOf(shared.folder, 'own'), logOf(alone.folder, 'own'));
});

test('no more is written than the limit, which changes no number', async () => {
  const [kept, plain] = [await trained({ cacheFeatures: '0.0015MB' }), await trained({ cacheFeatures: false })];
  expect(recordsIn(kept.folder, encoded)).toBe(1);
  await expectSame(kept.folder, plain.folder);
});

const full = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
const cut = () => Promise.resolve({ bytesWritten: 7, buffer: Buffer.alloc(0) });

test.each<[string, () => Promise<unknown>, string]>([
  ['is refused', full, 'the disk is full'],
  ['is cut short', cut, `7 of ${64 + 4 * encoded} bytes were written`],
])(
  'where the third record %s, one gives way and no more is kept, which is told once and changes no number',
  async (...[, fail, why]) => {
    const run = runOf({});
    const file = await open(run.file);
    const handle = Object.getPrototypeOf(file) as typeof file;
    await file.close();
    const { write } = handle;
    let records = 0;
    const writing = vi.spyOn(handle, 'write').mockImplementation(function (this: typeof file, ...given: unknown[]) {
      if (given[2] === 64 + 4 * encoded && ++records > 2) return fail() as never;
      return Reflect.apply(write, this, given) as never;
    } as never);
    onTestFinished(() => writing.mockRestore());
    const told: string[] = [];
    await runFile(run.file, { engine, onNotice: ({ message }) => told.push(message) });
    expect(told).toEqual([
      expect.stringContaining(`no more features of pictures are kept, the others computed again: ${why}`),
    ]);
    expect(records).toBe(3);
    expect(recordsIn(run.folder, encoded)).toBe(1);
    writing.mockRestore();
    await expectSame(run.folder, (await trained({ cacheFeatures: false })).folder);
  },
);

test('what is seen once is not kept unless it is asked for', async () => {
  expect(existsSync(keptIn((await trained({ steps: 2 })).folder))).toBe(false);
  expect(recordsIn((await trained({ steps: 2, cacheFeatures: true })).folder, encoded)).toBe(3);
});

test('features that change, or cannot be kept in full, are refused where they are asked for and else not kept', async () => {
  const refused = (settings: Settings) => trained({ ...settings, cacheFeatures: true });
  await expect(refused({ train: ['**'] })).rejects.toThrow(/the encoder learns, such as vision_tower/);
  const lora = { rank: 2, on: ['vision_tower.**.q_proj'] };
  await expect(refused({ train: [], lora })).rejects.toThrow(/the encoder learns, such as .*lora_A/);
  await expect(refused({ frozen: 'blocks' })).rejects.toThrow(/frozen: blocks holds/);
  await expect(trained({ cacheFeatures: 'much' })).rejects.toThrow(/a size such as 20GB, got "much"/);
  expect(existsSync(keptIn((await trained({ train: ['**'] })).folder))).toBe(false);
});
