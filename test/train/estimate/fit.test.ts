/** Micro-batches by memory: which are chosen, and that nothing else depends on it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Dataset, openDataset } from '../../../src/data/index.js';
import { initialise, load, type Model } from '../../../src/model/index.js';
import { networkOf } from '../../../src/recipes/index.js';
import { adamw, type HostArrays, nextToken } from '../../../src/system/index.js';
import { closeAll, fields, hostArray, type QuintetError } from '../../../src/tensor/index.js';
import { fitToMemory } from '../../../src/train/estimate/fit.js';
import type { Estimate, RunStage } from '../../../src/train/index.js';
import { runFile } from '../../../src/train/index.js';
import { fittedStage, largestStep } from '../../../src/train/stage-memory.js';
import { engine } from '../../fixture.js';
import { runFolder, stage } from '../runs.js';

/** Samples of 1024 tokens, so many at once, of which 8 are a step. */
async function batches(size: number): Promise<HostArrays[]> {
  const length = 1024;
  const ones = hostArray('i64', [size, length], new BigInt64Array(size * length).fill(1n));
  return Array.from({ length: 8 / size }, () => ({ input_ids: ones, attention_mask: ones, labels: ones }));
}

/** Deep enough for what blocks keep to be more than what one computes at once. */
const deep = {
  ...{ model_type: 'llama', hidden_size: 32, intermediate_size: 64, num_hidden_layers: 8, num_attention_heads: 2 },
  ...{ num_key_value_heads: 2, vocab_size: 60, max_position_embeddings: 1024, tie_word_embeddings: true },
};

async function fitting(limit: number, recompute = false) {
  const model: Model = await initialise(networkOf(fields(deep, 'config.json')), { engine });
  onTestFinished(() => model.close());
  const names = ['input_ids', 'attention_mask', 'labels'];
  return fitToMemory(model, {
    step: { objective: nextToken(), train: ['**'], fields: names, recompute },
    ...{ optimizer: adamw({ lr: 1e-3 }), limit, batch: 8, memory: () => 0, largest: batches },
  });
}

test('the largest part of a batch is chosen that fits, and recomputation only where one sample does not', async () => {
  const whole = await fitting(Number.POSITIVE_INFINITY);
  expect(whole).toMatchObject({ microBatch: 8, recompute: false });
  const less = await fitting(whole.memory - 1);
  expect(less).toMatchObject({ microBatch: 4, recompute: false });
  expect(less.memory).toBeLessThan(whole.memory);
  let least = less;
  while (!least.recompute) least = await fitting(least.memory - 1);
  expect(least.microBatch).toBeGreaterThan(0);
  const asked = await fitting(least.memory, true);
  expect(asked).toEqual(least);
});

test('where nothing fits, the error says how much is expected and what to try', async () => {
  const error = (await fitting(2 ** 20).catch((thrown) => thrown)) as QuintetError;
  expect(error.code).toBe('limit');
  expect(error.message).toMatch(/is [\d.]+ MB; the limit is 1\.05 MB/);
  expect(error.hint).toContain('frozen: int8');
});

interface Told {
  readonly stages: RunStage[];
  readonly estimates: Estimate[];
  readonly losses: number[];
}

const learning = { lora: { rank: 2, on: ['language_model.**.{q,v}_proj'] }, longest: 64 };

async function run(settings: Record<string, unknown>, stopAfter?: number): Promise<Told & { readonly folder: string }> {
  const { folder, file } = runFolder({ stages: [stage({ name: 'instruct', batch: 4, ...learning, ...settings })] });
  const told: Told = { stages: [], estimates: [], losses: [] };
  let time = 0;
  const controller = new AbortController();
  await runFile(file, {
    engine,
    signal: controller.signal,
    ...{ memory: () => 1000, clock: () => ++time },
    onStage: (own) => told.stages.push(own),
    onEstimate: (_, estimate) => told.estimates.push(estimate),
    onStep(_, { step, loss }) {
      told.losses.push(loss);
      if (step === stopAfter) controller.abort();
    },
  });
  return { ...told, folder };
}

test('a run by memory learns what one with the whole batch learns', async () => {
  const whole = await run({ memory: '1TB' });
  expect(whole.stages[0]).toMatchObject({ microBatch: 4, recompute: false });
  const refused = (await run({ memory: '1MB' }).catch((thrown) => thrown)) as QuintetError;
  const [, least] = /is ([\d.]+) MB/.exec(refused.message) as unknown as [string, string];
  const parts = await run({ memory: `${Number(least) + 0.1}MB` });
  expect(parts.stages[0]?.microBatch).toBeLessThan(4);
  for (const [i, loss] of parts.losses.entries()) expect(loss).toBeCloseTo(whole.losses[i] as number, 4);
});

test('what is told goes by some lengths where each must be read for its own; what a limit is kept to, by all', async () => {
  const { stages, folder } = await run({});
  const [own] = stages as [RunStage];
  const model = await load(join(folder, 'base'), { engine });
  const chats = await openDataset(join(folder, 'chats.jsonl'));
  onTestFinished(() => closeAll(model, chats));
  const asked: string[] = [];
  const read: number[] = [];
  const dataset: Dataset = {
    ...{ ...chats, count: 5000 },
    async read(index) {
      read.push(index);
      return chats.read(index % chats.count);
    },
    async lengths() {
      asked.push('all');
      return Array.from({ length: 5000 }, (_, index) => index);
    },
    async someLengths(most) {
      asked.push(`${most}`);
      return new Map([9, 3, 8, 1, 7].map((index) => [index, index]));
    },
  };
  const data = { dataset, options: {} };
  await largestStep(model, own, data);
  expect(asked.splice(0)).toEqual(['1000']);
  expect(new Set(read.splice(0))).toEqual(new Set([9, 8, 7, 3]));
  const train = ['multi_modal_projector.**'];
  await fittedStage(model, { ...own, memory: 2 ** 40 }, { ...data, adapter: undefined, train });
  expect(new Set(asked)).toEqual(new Set(['all']));
  expect(new Set(read)).toEqual(new Set([4999, 4998, 4997, 4996]));
});

test('what the cuts of ranks remember counts as much as a checkpoint holds of it', async () => {
  const adapter = { kind: 'adalora', rank: 256, on: ['language_model.**.{q,v}_proj'] };
  const cut = { ...adapter, cuts: { rank: 1, warmup: 1, rest: 1, every: 1 } };
  const held = async (own: object) => {
    const { folder, estimates } = await run({ lora: undefined, adapter: own, steps: 4 });
    const checkpoint = join(folder, 'out/instruct/checkpoints/step-000004');
    const files = readdirSync(checkpoint).filter((name) => name.endsWith('.bin'));
    return {
      estimated: estimates[0]?.estimated.memory as number,
      bytes: files.reduce((sum, name) => sum + statSync(join(checkpoint, name)).size, 0),
    };
  };
  const [without, own] = [await held(adapter), await held(cut)];
  expect(own.bytes).toBeGreaterThan(1.5 * without.bytes);
  expect(own.estimated - without.estimated).toBe(own.bytes - without.bytes);
  const least = async (own: object): Promise<number> => {
    const refused = (await run({ lora: undefined, adapter: own, batch: 1, memory: '1MB' }).catch(
      (thrown) => thrown,
    )) as Error;
    return Number(/is ([\d.]+) MB/.exec(refused.message)?.[1]);
  };
  expect(await least(cut)).toBeGreaterThan(await least(adapter));
});

test('what a stage takes is told before its first step, after its first pass and at its end, and logged', async () => {
  const { estimates, folder } = await run({ steps: 3 });
  const [before, passed, end] = estimates as [Estimate, Estimate, Estimate];
  expect(estimates.length).toBe(3);
  expect(before.estimated.memory).toBeGreaterThan(2 ** 20);
  expect(before.estimated.time).toBeUndefined();
  // A tick of the clock for what must be known before a pass and one for the pass, three steps of one pass each.
  expect(passed.estimated).toEqual({ ...before.estimated, time: 6 });
  expect(end.was?.memory).toBe(1000);
  const log = readFileSync(join(folder, 'out/instruct/log.jsonl'), 'utf8').trim().split('\n');
  expect(JSON.parse(log[0] as string)).toEqual({ step: 0, estimate: passed });
  expect(JSON.parse(log.at(-1) as string)).toEqual({ step: 3, estimate: end });
});

test('at the end of a run that was stopped, what is told is of the steps that were done', async () => {
  const { estimates } = await run({ steps: 30 }, 3);
  const [, passed, end] = estimates as [Estimate, Estimate, Estimate];
  expect(passed.estimated.time).toBe(60);
  expect(end.estimated).toEqual({ ...passed.estimated, time: 6 });
});
