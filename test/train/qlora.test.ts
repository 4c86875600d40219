/** LoRA over weights of four bits, as bitsandbytes and peft train it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bytesSource, openSafetensors, readTensors } from '../../src/checkpoint/index.js';
import {
  layeredWeights,
  load,
  type Model,
  readAdapter,
  saveModel,
  traceNetwork,
  writeAdapter,
} from '../../src/model/index.js';
import { adamw, lora, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, nf4, packNormalFloats, Random, toNumbers } from '../../src/tensor/index.js';
import { train } from '../../src/train/index.js';
import { readRunFile, runOf } from '../../src/train/run-file.js';
import type { FrozenForm } from '../../src/train/step.js';
import { engine, fixturePath, fixtureTensors, present } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { ggufModel } from '../model/gguf-model.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { rows, rtol, same, sameCurves, sameNumbers, trainFixture } from './fixture.js';

const name = 'train-qlora';
/** Asserts the logits of the first step's batch where it is not padded. */
async function expectLogits(model: Model, wanted: HostArray | undefined, what: string): Promise<void> {
  const { input_ids, attention_mask } = await fixtureTensors(name, 'inputs');
  const inputs = Object.fromEntries(
    Object.entries({ input_ids, attention_mask }).map(([key, array]) => {
      const { shape, ...rest } = rows(array as HostArray, [0]);
      return [key, { ...rest, shape: shape.slice(1) }];
    }),
  );
  const { logits } = await traceNetwork(model, inputs, { want: ['logits'] });
  expectClose(logits as HostArray, present('logits', wanted as HostArray, inputs.attention_mask), what, {
    rtol,
    atol: 0,
  });
}

/** The pieces of the weights in four bits as bitsandbytes wrote them. */
async function bitsandbytesPieces(): Promise<Record<string, HostArray>> {
  const file = `${fixturePath(name)}/model-nf4/model.safetensors`;
  const stored = await openSafetensors(bytesSource(readFileSync(file), file));
  return Object.fromEntries(
    await Promise.all([...stored.tensors.keys()].map(async (key) => [key, await stored.read(key)])),
  );
}

test('weights are rounded to the codes and magnitudes that bitsandbytes rounds them to', async () => {
  const [whole, numbers] = [await fixtureTensors(name, 'model/model'), await fixtureTensors(name, 'model-nf4/model')];
  const pieces = await bitsandbytesPieces();
  const weights = Object.keys(pieces).filter((key) => `${key}.absmax` in pieces);
  expect(weights.length).toBe(2 * 7);
  for (const key of weights) {
    const { codes, magnitudes } = packNormalFloats(Float32Array.from(toNumbers(whole[key] as HostArray)));
    const theirs = toNumbers(pieces[key] as HostArray);
    expect(theirs.filter((byte, i) => codes[i] !== byte)).toEqual([]);
    const values = toNumbers(numbers[key] as HostArray);
    const ours = values.map((_, i) => {
      const byte = codes[i >> 1] as number;
      return Math.fround(Math.fround(nf4[i & 1 ? byte & 15 : byte >> 4] as number) * (magnitudes[i >> 6] as number));
    });
    expect(values.filter((value, i) => value !== ours[i])).toEqual([]);
    // What is in four bits already stays as it is.
    const again = packNormalFloats(Float32Array.from(values), { again: true });
    expect(again).toEqual({ codes, magnitudes });
  }
});

test.each([
  ['model-nf4', 'f32'],
  ['model-nf4', 'nf4'],
  ['model', 'nf4'],
] as const)('over %s, held as %s, it is trained as the reference does it', async (folder, frozen) => {
  const cache = temporaryFolder();
  const base = await load(`${fixturePath(name)}/${folder}`, { engine, cache });
  onTestFinished(() => base.close());
  const expected = await fixtureTensors(name, 'expected');
  const before = `${fixturePath(name)}/adapter-before`;
  const { adapter, settings, values: first } = await readAdapter(before, base.network, base.declarations);
  const model: Model = { ...base, adapt: adapter.adapt, weights: layeredWeights(base.weights, first) };
  const inputs = await fixtureTensors(name, 'inputs');
  const { reports, result } = await trainFixture(name, model, inputs, { train: adapter.parameters, frozen });
  sameCurves(reports, expected);

  const values = new Map(Object.entries(result.values));
  const written = join(cache, 'adapter');
  await writeAdapter(written, { ...base, base: 'model' }, settings, values);
  const adapters = await readTensors(join(written, 'adapter_model.safetensors'));
  const finals = Object.keys(expected).filter((key) => key.startsWith('final.'));
  expect(Object.keys(adapters).sort()).toEqual(finals.map((key) => key.slice('final.'.length)).sort());
  for (const key of finals) same(adapters[key.slice('final.'.length)], expected[key], key);

  if (folder !== 'model-nf4') return;
  await expectLogits(base, expected.logits_base, 'logits without an adapter');
  const after: Model = { ...model, weights: layeredWeights(base.weights, values) };
  await expectLogits(after, expected.logits_after, 'logits after the last step');
});

test('what is saved over four bits is of plain numbers, and says nothing else', async () => {
  const base = await load(`${fixturePath(name)}/model-nf4`, { engine });
  onTestFinished(() => base.close());
  const saved = temporaryFolder();
  await saveModel(base, saved);
  const config: unknown = JSON.parse(readFileSync(join(saved, 'config.json'), 'utf8'));
  expect(config).not.toHaveProperty('quantization_config');
  expect(config).toMatchObject({ model_type: 'llama', dtype: 'float32' });
  const again = await load(saved, { engine });
  onTestFinished(() => again.close());
  await expectLogits(again, (await fixtureTensors(name, 'expected')).logits_base, 'logits of what was saved');
});

/** A language model in one GGUF file: in blocks, or of f32. */
function modelFile(blocks: boolean): string {
  return temporaryFile('model.gguf', ggufModel({ width: 64, depth: 2, heads: 4, hidden: 96, vocab: 100, blocks }));
}

/** Losses and norms of five steps of LoRA. */
async function curveOf(file: string, frozen: FrozenForm, recompute = false): Promise<number[]> {
  const model = await load(file, { engine, cache: join(file, '..', 'cache') });
  onTestFinished(() => model.close());
  const { adapt, parameters } = lora({ rank: 4, on: ['**.{q,v,down}_proj'] });
  const random = new Random(9);
  const ids = hostArray(
    'i64',
    [2, 12],
    Array.from({ length: 24 }, () => random.integer(95)),
  );
  const batch = { input_ids: ids, attention_mask: hostArray('i64', [2, 12], new Array(24).fill(1)), labels: ids };
  const curve: number[] = [];
  await train(
    { ...model, adapt, weights: layeredWeights(model.weights, new Map(), 1) },
    {
      ...{ objective: nextToken(), train: parameters, frozen, recompute, steps: 5, optimizer: adamw({ lr: 1e-2 }) },
      data: { fields: Object.keys(batch), accumulates: false, take: async () => [batch] },
      onStep: ({ loss, norm }) => curve.push(loss, norm),
    },
  );
  return curve;
}

test.each([false, true])(
  'over the blocks of a file it is that over their numbers; recomputed: %s',
  async (recompute) => {
    const file = modelFile(true);
    const [whole, blocks] = [await curveOf(file, 'f32'), await curveOf(file, 'blocks', recompute)];
    expect(whole[0]).toBeGreaterThan(whole[8] as number);
    sameNumbers(blocks, hostArray('f32', [whole.length], whole), 'losses and norms');
  },
);

test('blocks that no weight has are refused', async () => {
  await expect(curveOf(modelFile(false), 'blocks')).rejects.toThrow(/no weight that does not learn is in blocks/);
});

test("the page's example holds what does not learn in NF4", async () => {
  const page = readFileSync(new URL('../../docs/run-files.md', import.meta.url), 'utf8');
  const example = page.split('```yaml\n').find((text) => text.includes('output: runs/qlora')) as string;
  const file = temporaryFile('run.yaml', example.split('```')[0] as string);
  const { stages } = runOf(await readRunFile(file), file, { stages: [] });
  expect(stages).toMatchObject([{ frozen: 'nf4', recompute: true, batch: 4, adapter: { kind: 'lora', rank: 8 } }]);
});
