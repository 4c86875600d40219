/** The training loop over chats about pictures: what changes, what does not, and what it can learn. */
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, load, type Model } from '../../src/model/index.js';
import { adamw, nextToken, type System } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { sampleBatches } from '../../src/train/samples.js';
import { type StepReport, type TrainOptions, train } from '../../src/train/train.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { runFolder } from './runs.js';

async function open(): Promise<{ readonly model: Model<System>; readonly data: string }> {
  const { folder } = runFolder({ stages: [] });
  const model = asSystem(await load(`${folder}/base`, { engine }));
  onTestFinished(() => model.close());
  return { model, data: `${folder}/chats.jsonl` };
}

type Settings = Partial<TrainOptions> & { readonly batch?: number; readonly microBatch?: number };

/** Trains on the four chats. */
async function run({ batch = 4, microBatch = batch, ...options }: Settings = {}) {
  const { model, data } = await open();
  const dataset = await openDataset(data);
  onTestFinished(() => dataset.close());
  const reports: StepReport[] = [];
  const result = await train(model, {
    objective: nextToken(),
    train: ['**'],
    optimizer: adamw({ lr: 1e-2, decay: 0.1 }),
    steps: 3,
    data: sampleBatches(model, dataset, { batch, microBatch }),
    onStep: (report) => reports.push(report),
    ...options,
  });
  return { model, result, reports };
}

const bytes = ({ data }: HostArray): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

test('four chats are learnt by heart', async () => {
  const { reports } = await run({ steps: 40, optimizer: adamw({ lr: 3e-2, warmup: 0.05, schedule: 'cosine' }) });
  expect(reports[0]?.loss).toBeGreaterThan(2);
  expect(reports.at(-1)?.loss).toBeLessThan(0.1);
});

test('parameters outside `train` are bit-identical after three steps, and those within are not', async () => {
  const globs = ['multi_modal_projector.**', 'language_model.model.layers.1.**'];
  const { model, result } = await run({ train: globs });
  const before = new Map<string, Buffer>();
  for (const declared of model.declarations.values())
    before.set(declared.name, bytes(await model.weights.read(declared)));
  expect(Object.keys(result.values).length).toBeGreaterThan(10);
  for (const [name, value] of Object.entries(result.values)) {
    expect(/^(multi_modal_projector|language_model\.model\.layers\.1)\./.test(name), name).toBe(true);
    expect(bytes(value).equals(before.get(name) as Buffer), name).toBe(false);
  }
  for (const [name, own] of before) {
    const now = bytes(await model.weights.read(model.declarations.get(name) as never));
    expect(now.equals(own), name).toBe(true);
  }
});

test('micro-batches of any size make the same step', async () => {
  const [whole, halves, thirds] = [await run(), await run({ microBatch: 2 }), await run({ microBatch: 3 })];
  for (const other of [halves, thirds]) {
    for (const [i, { loss, norm, targets }] of whole.reports.entries()) {
      const report = other.reports[i] as StepReport;
      expect(report.targets).toBe(targets);
      expect(Math.abs(report.loss - loss)).toBeLessThan(1e-5 * loss);
      expect(Math.abs(report.norm - norm)).toBeLessThan(1e-4 * norm);
    }
    for (const [name, { shape, ...value }] of Object.entries(whole.result.values)) {
      // Its gradient is zero but for rounding, which AdamW makes as large as any other.
      if (name.endsWith('k_proj.bias') && name.startsWith('vision_tower')) continue;
      const data = toNumbers({ shape, ...value });
      expectClose(other.result.values[name] as HostArray, { shape, data }, name, { rtol: 2e-3, atol: 1e-4 });
    }
  }
});

test('two runs of one seed are bit-identical', async () => {
  const [one, other] = [await run({ batch: 2 }), await run({ batch: 2 })];
  for (const [name, value] of Object.entries(one.result.values)) {
    expect(bytes(other.result.values[name] as HostArray).equals(bytes(value)), name).toBe(true);
  }
});

test('what the loss does not reach is told and left alone', async () => {
  const { result } = await run({ train: ['vision_tower.**.post_layernorm.*', 'multi_modal_projector.**'] });
  expect(result.unreached.map((name) => name.split('.').at(-1)).sort()).toEqual(['bias', 'weight']);
  expect(Object.keys(result.values)).not.toContain(result.unreached[0]);
});

test('mistakes are found before the first step', async () => {
  await expect(run({ train: ['multi_modal_projectr.**'] })).rejects.toThrow(
    /"multi_modal_projectr\.\*\*" matches no parameter/,
  );
  await expect(run({ train: ['vision_tower.**.post_layernorm.*'] })).rejects.toThrow(/reaches none/);
  await expect(run({ optimizer: adamw({ lr: -1 }) })).rejects.toThrow(/optimizer\.lr/);
});
