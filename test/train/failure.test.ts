/** Runs that fail: what is gone on from is whole, and nothing of theirs is at work afterwards. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { mul, sqrt, sum } from '../../src/graph/index.js';
import { asSystem, load } from '../../src/model/index.js';
import { adamw, muon, nextToken } from '../../src/system/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { RunFolder } from '../../src/train/run-folder.js';
import { readRunLog } from '../../src/train/run-log.js';
import { sampleBatches } from '../../src/train/samples.js';
import { type BatchSource, type TrainOptions, train } from '../../src/train/train.js';
import { engine } from '../fixture.js';
import { runFolder } from './runs.js';

/** Four chats that are learnt in six steps, saved at every second one, and a folder for it. */
async function opened(own = engine, limits: { readonly longest?: number } = {}) {
  const { folder } = runFolder({ stages: [] });
  const model = asSystem(await load(`${folder}/base`, { engine: own }));
  const dataset = await openDataset(`${folder}/chats.jsonl`);
  const data = sampleBatches(model, dataset, { batch: 4, ...limits });
  onTestFinished(async () => {
    await data.close?.();
    await dataset.close();
    await model.close();
  });
  const out = join(folder, 'out');
  const run = (options: Partial<TrainOptions> = {}) =>
    train(model, {
      ...{ objective: nextToken(), train: ['multi_modal_projector.**'], optimizer: adamw({ lr: 1e-3 }) },
      ...{ steps: 6, saveEvery: 2, data, folder: out, ...options },
    });
  /** The step of the newest checkpoint, and those of the log. */
  const reached = async () => {
    const saved = await RunFolder.open(out);
    const newest = await saved.latest();
    await saved.close();
    const log = await readRunLog(join(out, 'log.jsonl'));
    const cut = log.flatMap((line) => line.cut ?? []);
    return { saved: newest?.step, logged: log.map(({ step }) => step), ...(cut.length > 0 ? { cut } : {}) };
  };
  return { data, run, reached };
}

/** The same batches, but for a step whose pictures are no numbers. */
const spoilt = (data: BatchSource, step: number): BatchSource => ({
  ...data,
  async take(index, now) {
    const batches = await data.take(index, now);
    if (index !== step - 1) return batches;
    return batches.map(({ pixel_values, ...batch }) => {
      const pixels = pixel_values as HostArray;
      return { ...batch, pixel_values: { ...pixels, data: (pixels.data as Float32Array).map(() => Number.NaN) } };
    });
  },
});

test('a step whose loss is no number is not saved, and the run goes on from before it', async () => {
  const { data, run, reached } = await opened();
  await expect(run({ data: spoilt(data, 4) })).rejects.toMatchObject({ code: 'numeric', at: 'step 4' });
  expect(await reached()).toEqual({ saved: 2, logged: [1, 2, 3] });
  const after: number[] = [];
  await run({ onStep: ({ step }) => after.push(step) });
  expect(after).toEqual([3, 4, 5, 6]);
  expect(await reached()).toEqual({ saved: 6, logged: [1, 2, 3, 4, 5, 6] });
});

test('nor is one whose gradient is none though its loss is', async () => {
  const { run, reached } = await opened();
  const controller = new AbortController();
  const { stopped } = await run({ signal: controller.signal, onStep: ({ step }) => step === 3 && controller.abort() });
  expect(stopped).toBe(true);
  const failing = run({
    // The square root of zero, whose slope is infinite.
    penalty: (declarations) => {
      const { tensor } = declarations.get('multi_modal_projector.linear_1.bias') ?? {};
      return sqrt(mul(sum(mul(tensor as never, tensor as never)), 0));
    },
  });
  await expect(failing).rejects.toThrow(/step 4: the loss is \d[\d.]*, the gradient's norm NaN/);
  expect(await reached()).toEqual({ saved: 3, logged: [1, 2, 3] });
});

test('values of which an update has moved only some are not saved', async () => {
  let failing = false;
  const { run, reached } = await opened({
    ...engine,
    async createSession(model, options) {
      const session = await engine.createSession(model, options);
      if (model.name !== 'orthogonal') return session;
      return {
        ...session,
        inputs: session.inputs,
        close: () => session.close(),
        async run(feeds, how) {
          if (failing) throw new Error('the machine is out of memory');
          return session.run(feeds, how);
        },
      };
    },
  });
  const failed = run({
    optimizer: muon({ lr: 1e-3, rest: { lr: 1e-3 } }),
    onStep: ({ step }) => {
      failing = step === 3;
    },
  });
  await expect(failed).rejects.toThrow('out of memory');
  expect(await reached()).toEqual({ saved: 2, logged: [1, 2, 3] });
});

test('another task is refused where a run was begun, by what of it is another', async () => {
  const { data, run, reached } = await opened();
  await run({ steps: 2 });
  for (const [options, what] of [
    [{ steps: 2, optimizer: adamw({ lr: 2e-3 }) }, '`optimizer.lr` was 0.001 and is now 0.002'],
    [{ steps: 2, objective: nextToken({ smoothing: 0.1 }) }, '`objective.smoothing` was left out and is now 0.1'],
    [
      { steps: 2, train: ['multi_modal_projector.linear_1.**'] },
      'multi_modal_projector.linear_2.weight [18,18] learnt',
    ],
    [{ steps: 2, frozen: 'nf4' as const }, '`frozen` was "f32" and is now "nf4"'],
    [
      { steps: 2, data: { ...data, about: { ...data.about, seed: 7, batch: 2, microBatch: 2 } } },
      '`seed` was 0 and is now 7; `batch` was 4 and is now 2',
    ],
  ] as const) {
    await expect(run(options)).rejects.toThrow(`the checkpoint is of another run: ${what}\n  give another`);
  }
  const both = run({ steps: 3, optimizer: adamw({ lr: 2e-3 }) });
  await expect(both).rejects.toThrow('of another run: `optimizer.lr` was 0.001 and is now 0.002\n');
  expect(await reached()).toEqual({ saved: 2, logged: [1, 2] });
});

test('a run goes on where its settings are named in another order', async () => {
  const { run, reached } = await opened();
  await run({ steps: 2, optimizer: adamw({ lr: 2e-3, decay: 0.1 }) });
  await run({ steps: 2, optimizer: adamw({ decay: 0.1, lr: 2e-3 }) });
  expect(await reached()).toEqual({ saved: 2, logged: [1, 2] });
});

test('a run goes on for another number of steps, as one of that length from there, but not for fewer than are done', async () => {
  const { run, reached } = await opened();
  await run({ steps: 2 });
  const notices: string[] = [];
  const rates: number[] = [];
  await run({
    ...{ steps: 4, optimizer: adamw({ lr: 1e-3 }), onNotice: ({ message }) => notices.push(message) },
    onStep: ({ step, rate }) => rates.push(step, rate),
  });
  expect(rates).toEqual([3, 1e-3, 4, 1e-3]);
  expect(notices).toEqual([expect.stringMatching(/after 2 steps of 2, the run is now to have 4\n {2}From here on/)]);
  await expect(run({ steps: 3 })).rejects.toThrow(
    /4 steps are done of 4, and the run is to have only 3\n {2}give at least/,
  );
  expect(await reached()).toEqual({ saved: 4, logged: [1, 2, 3, 4] });
});

test('samples that are cut are counted step by step, in the log too', async () => {
  // One of the four chats has no more than 56 tokens.
  const { run, reached } = await opened(engine, { longest: 56 });
  const cut: unknown[] = [];
  await run({ steps: 2, onStep: (report) => cut.push(report.cut) });
  expect(cut).toEqual([3, 3]);
  expect((await reached()).cut).toEqual([3, 3]);
});

test.each<[string, () => void]>([
  ['its failure is nobody’s', () => {}],
  [
    'it fails too',
    () => {
      throw new Error('the data is closed');
    },
  ],
])('where a step fails, the next one’s data is not read any more after that; %s', async (_, end) => {
  const { data, run } = await opened();
  let underWay = 0;
  const slow: BatchSource = {
    ...data,
    async take(index, now) {
      underWay++;
      try {
        if (index > 0) await sleep(300);
        if (index > 0) end();
        return await data.take(index, now);
      } finally {
        underWay--;
      }
    },
  };
  const failing = run({
    data: slow,
    onStep: () => {
      expect(underWay).toBe(1);
      throw new Error('the cause');
    },
  });
  await expect(failing).rejects.toThrow('the cause');
  expect(underWay).toBe(0);
});
