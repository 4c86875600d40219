/** Samples that share rows against samples that have rows of their own: the same step. */
import { writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, load } from '../../src/model/index.js';
import { type HostArrays, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { sampleBatches } from '../../src/train/samples.js';
import { compileStep } from '../../src/train/step.js';
import { engine, fixturePath } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { jsonLines } from '../json-lines.js';
import { chats, runFolder, stage } from './runs.js';

const words = (question: string, answer: string) => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
});
/** One long sample, whose row has room for short ones; pictures among them. */
const samples = [
  words('two birds '.repeat(17), 'in a tall tree'),
  ...chats.slice(0, 2),
  words('How many birds?', 'two birds'),
  words('What?', 'nothing at all'),
  chats[2],
];

/** The sums over a step of loss, targets and gradients, and how many rows it had. */
async function stepOf(path: string, data: string, options: { readonly packing: boolean; readonly microBatch: number }) {
  const model = asSystem(await load(path, { engine }));
  const dataset = await openDataset(data);
  const source = sampleBatches(model, dataset, { batch: samples.length, ...options });
  const step = await compileStep(model, { objective: nextToken(), train: ['**'], fields: source.fields });
  onTestFinished(async () => {
    await step.close();
    await dataset.close();
    await model.close();
  });
  const values: Record<string, HostArray> = {};
  const sums: Record<string, Float32Array> = {};
  for (const declared of step.trained) {
    values[declared.name] = await model.weights.read(declared);
    sums[declared.name] = new Float32Array(sizeOf(declared.shape));
  }
  let [total, targets, rows] = [0, 0, 0];
  for (const batch of await step.foresee(await source.take(0), values)) {
    const into: HostArrays = Object.fromEntries(
      step.trained.map(({ name, shape }) => [name, hostArray('f32', shape, new Float32Array(sizeOf(shape)))]),
    );
    const loss = await step.run(batch, values, into);
    for (const [name, sum] of Object.entries(sums)) {
      const { data } = into[name] as HostArray;
      for (const [i, x] of (data as Float32Array).entries()) (sum[i] as number) += x;
    }
    total += loss.total;
    targets += loss.targets;
    rows += batch.input_ids?.shape[0] ?? 0;
  }
  return { total, targets, rows, sums };
}

test.each([4, 1])(
  'loss and gradients of rows with several samples are those of rows with one, %i rows at once',
  async (microBatch) => {
    const { folder } = runFolder({ stages: [] });
    const data = `${folder}/mixed.jsonl`;
    writeFileSync(data, jsonLines(samples));
    const [apart, together] = [
      await stepOf(`${folder}/base`, data, { packing: false, microBatch: samples.length }),
      await stepOf(`${folder}/base`, data, { packing: true, microBatch }),
    ];
    expect(apart.rows).toBe(samples.length);
    expect(together.rows).toBeLessThan(samples.length);
    expect(together.targets).toBe(apart.targets);
    expect(Math.abs(together.total - apart.total)).toBeLessThan(1e-5 * apart.total);
    for (const [name, sum] of Object.entries(apart.sums)) {
      const data = toNumbers({ dtype: 'f32', shape: [sum.length], data: sum as Float32Array<ArrayBuffer> });
      const actual = hostArray('f32', [sum.length], together.sums[name] as Float32Array);
      expectClose(actual, { shape: [sum.length], data }, name, { rtol: 1e-4, atol: 1e-5 });
    }
  },
);

test('samples are held out from packed rows as from others: the held-out loss is the same', async () => {
  const lossOf = async (packing: boolean, batch: number) => {
    const losses: number[] = [];
    const evaluate = { data: 'mixed.jsonl', every: 2, batch };
    const settings = { packing, batch: 4, steps: 1, optimizer: { lr: 1e-3 } };
    const { file, folder } = runFolder({ evaluate, stages: [stage({ name: 'align', ...settings })] });
    writeFileSync(`${folder}/mixed.jsonl`, jsonLines(samples));
    await runFile(file, { engine, onEvaluation: (_, { loss = Number.NaN }) => losses.push(loss) });
    return losses[0] as number;
  };
  const apart = await lossOf(false, 1);
  for (const batch of [1, 4]) expect((await lossOf(true, batch)) / apart).toBeCloseTo(1, 5);
});

test('an encoder-decoder reads one sample a row', async () => {
  const { folder } = runFolder({ stages: [] });
  const dataset = await openDataset(`${folder}/chats.jsonl`);
  onTestFinished(() => dataset.close());
  const model = asSystem(await load(`${fixturePath('flan-t5')}/model`, { engine }));
  onTestFinished(() => model.close());
  expect(() => sampleBatches(model, dataset, { batch: 2, packing: true })).toThrow('packing: t5 reads with an encoder');
});
