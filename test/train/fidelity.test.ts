/** Training against PyTorch's: losses, norms, first gradients and final parameters of whole runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readTensors } from '../../src/checkpoint/index.js';
import {
  layeredWeights,
  load,
  type Model,
  readAdapter,
  saveModel,
  traceNetwork,
  writeAdapter,
} from '../../src/model/index.js';
import { adamw, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { clipScale } from '../../src/train/gradients.js';
import { compileStep } from '../../src/train/step.js';
import { train } from '../../src/train/train.js';
import { engine, fixtureJson, fixturePath, fixtureTensors, present } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { temporaryFolder } from '../temporary.js';
import { batchesOf, rows, rtol, same, sameCurves, sameNumbers, trainFixture } from './fixture.js';

type Arrays = Record<string, HostArray>;

const adapterFile = 'adapter_model.safetensors';

async function open(name: string): Promise<Model> {
  const model = await load(`${fixturePath(name)}/model`, { engine });
  onTestFinished(() => model.close());
  return model;
}

/** A step's loss and gradients, each the mean over its targets, for all of its micro-batches together. */
async function gradientsOf(model: Model, globs: readonly string[], batches: readonly Arrays[], values: Arrays = {}) {
  const step = await compileStep(model, {
    ...{ objective: nextToken(), train: globs },
    fields: Object.keys(batches[0] as Arrays),
  });
  try {
    const own: Arrays = { ...values };
    for (const declared of step.trained) own[declared.name] ??= await model.weights.read(declared);
    const sums: Arrays = {};
    let [total, targets] = [0, 0];
    for (const batch of await step.foresee(batches, own)) {
      const into = Object.fromEntries(
        step.trained.map(({ name, shape }) => [name, hostArray('f32', shape, new Float32Array(sizeOf(shape)))]),
      );
      const loss = await step.run(batch, own, into);
      total += loss.total;
      targets += loss.targets;
      for (const [name, { shape, data }] of Object.entries(into)) {
        const sum = sums[name]?.data as Float32Array | undefined;
        sums[name] = {
          dtype: 'f32',
          shape,
          data: Float32Array.from(data as Float32Array, (x, i) => x + (sum?.[i] ?? 0)),
        };
      }
    }
    for (const { data } of Object.values(sums))
      for (let i = 0; i < data.length; i++) (data as Float32Array)[i]! /= targets;
    return { loss: total / targets, targets, slopes: sums, values: own };
  } finally {
    await step.close();
  }
}

describe.each([
  ['train-full-llama', ['**']],
  ['train-full-t5', ['**']],
  ['train-llava-align', ['multi_modal_projector.**']],
] as const)('%s', (name, globs) => {
  test('losses, norms, rates, first gradients and final parameters equal the reference', async () => {
    const model = await open(name);
    const inputs = await fixtureTensors(name, 'inputs');
    const expected = await fixtureTensors(name, 'expected');
    const [batch] = await batchesOf(inputs).take(0);
    const { slopes } = await gradientsOf(model, globs, [batch as Arrays]);
    for (const [key, slope] of Object.entries(slopes)) same(slope, expected[`grad0.${key}`], `gradient of ${key}`);

    const { reports, result } = await trainFixture(name, model, inputs, { train: globs });
    sameCurves(reports, expected);
    sameNumbers(
      reports.map(({ rate }) => rate),
      expected.lrs,
      'rates',
    );
    const finals = Object.keys(expected).filter((key) => key.startsWith('final.'));
    expect(Object.keys(result.values).length).toBe(finals.length);
    for (const key of finals) same(result.values[key.slice('final.'.length)], expected[key], key);
  });
});

test('weights of norms decay only where everything does', async () => {
  const model = await open('train-full-llama');
  const inputs = await fixtureTensors('train-full-llama', 'inputs');
  const [kept, decayed] = await Promise.all(
    (['matrices', 'all'] as const).map(async (decayOn) => {
      const { result } = await trainFixture('train-full-llama', model, inputs, {
        train: ['model.norm.weight'],
        decayOn,
      });
      return Math.hypot(...toNumbers(result.values['model.norm.weight'] as HostArray));
    }),
  );
  expect(decayed).toBeLessThan(kept as number);
});

test('gradients of micro-batches are summed over the targets of the whole step, then clipped once', async () => {
  const model = await open('grad-accum');
  const inputs = await fixtureTensors('grad-accum', 'inputs');
  const expected = await fixtureTensors('grad-accum', 'expected');
  const { lr, max_grad_norm: most } = fixtureJson('grad-accum').settings as { lr: number; max_grad_norm: number };
  const data = batchesOf(inputs);
  let values: Arrays = {};
  for (const step of [0, 1]) {
    const found = await gradientsOf(model, ['**'], (await data.take(step)) as Arrays[], values);
    const norm = Math.hypot(...Object.values(found.slopes).flatMap(toNumbers));
    sameNumbers([found.loss], { ...(expected[`total.${step}`] as HostArray), shape: [1] }, 'loss');
    sameNumbers([found.targets], { ...(expected[`targets.${step}`] as HostArray), shape: [1] }, 'targets');
    sameNumbers([norm], { ...(expected[`grad_norm.${step}`] as HostArray), shape: [1] }, 'norm');
    if (step === 0) for (const [key, slope] of Object.entries(found.slopes)) same(slope, expected[`grad0.${key}`], key);
    // The fixture's optimiser is plain gradient descent.
    const scale = lr * clipScale(norm, most);
    values = Object.fromEntries(
      Object.entries(found.values).map(([key, { shape, data: numbers }]) => {
        const slope = (found.slopes[key] as HostArray).data as Float32Array;
        return [
          key,
          {
            dtype: 'f32',
            shape,
            data: Float32Array.from(numbers as Float32Array, (x, i) => x - scale * (slope[i] as number)),
          },
        ];
      }),
    );
  }
  for (const [key, value] of Object.entries(values)) same(value, expected[`final.${key}`], `final ${key}`);

  const reports: { loss: number; norm: number; targets: number }[] = [];
  const optimizer = adamw({ lr: 1e-3 });
  await train(model, {
    objective: nextToken(),
    train: ['**'],
    optimizer,
    steps: 1,
    data,
    onStep: (report) => reports.push(report),
  });
  const [first] = reports;
  sameNumbers([first?.loss as number], { ...(expected['total.0'] as HostArray), shape: [1] }, 'loss of the loop');
  sameNumbers([first?.norm as number], { ...(expected['grad_norm.0'] as HostArray), shape: [1] }, 'norm of the loop');
});

describe('a LoRA adapter', () => {
  const name = 'train-llava-lora';

  /** Asserts the first two samples' logits where they are not padded. */
  async function expectLogits(model: Model, wanted: HostArray | undefined, what: string): Promise<void> {
    const { input_ids, attention_mask, pixel_values } = await fixtureTensors(name, 'inputs');
    const given = Object.entries({ input_ids, attention_mask, pixel_values }).map(([key, array]) => [
      key,
      rows(array as HostArray, [0, 1]),
    ]);
    const inputs = Object.fromEntries(given);
    const { logits } = await traceNetwork(model, inputs, { want: ['logits'] });
    expectClose(logits as HostArray, present('logits', wanted as HostArray, inputs.attention_mask), what, {
      rtol,
      atol: 0,
    });
  }

  async function adapted(folder: string): Promise<Model> {
    const model = await load(`${fixturePath(name)}/model`, { engine, adapter: `${fixturePath(name)}/${folder}` });
    onTestFinished(() => model.close());
    return model;
  }

  test.each([
    ['adapter-before', 'logits_before'],
    ['adapter-before-oldnames', 'logits_before'],
    ['adapter-after', 'logits_after'],
  ])('in %s is read as PEFT reads it', async (folder, output) => {
    await expectLogits(await adapted(folder), (await fixtureTensors(name, 'expected'))[output], output);
  });

  test('is trained, written and merged as PEFT does it', async () => {
    const base = await open(name);
    const expected = await fixtureTensors(name, 'expected');
    await expectLogits(base, expected.logits_base, 'logits without an adapter');
    const before = `${fixturePath(name)}/adapter-before`;
    const { settings, adapter, values: first } = await readAdapter(before, base.network, base.declarations);
    const model: Model = { ...base, adapt: adapter.adapt, weights: layeredWeights(base.weights, first) };
    const globs = [...adapter.parameters, 'multi_modal_projector.**'];
    const { reports, result } = await trainFixture(name, model, await fixtureTensors(name, 'inputs'), { train: globs });
    sameCurves(reports, expected);

    const folder = temporaryFolder();
    const values = new Map(Object.entries(result.values));
    await writeAdapter(folder, { ...base, base: 'model' }, settings, values);
    const [mine, theirs] = [
      await readTensors(join(folder, adapterFile)),
      await readTensors(`${fixturePath(name)}/adapter-after/${adapterFile}`),
    ];
    expect(Object.keys(mine).sort()).toEqual(fixtureJson(name, 'expected.json').adapter_keys);
    for (const [key, value] of Object.entries(theirs)) same(mine[key], value, key);
    const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 3,
      lora_alpha: 7,
      modules_to_save: ['model.multi_modal_projector'],
    });
    expect((config.target_modules as string[]).length).toBe(6);
    const again = await load(`${fixturePath(name)}/model`, { engine, adapter: folder });
    onTestFinished(() => again.close());
    await expectLogits(again, expected.logits_after, 'logits of the written adapter');

    const merged = temporaryFolder();
    await saveModel(base, merged, { merge: { adapter, values } });
    const plain = await load(merged, { engine });
    onTestFinished(() => plain.close());
    await expectLogits(plain, expected.logits_merged, 'logits when merged');
    const stored = await readTensors(join(merged, 'model.safetensors'));
    for (const key of Object.keys(expected).filter((key) => key.startsWith('merged.'))) {
      same(stored[base.weights.fileName(key.slice('merged.'.length))], expected[key], key);
    }
  });
});
