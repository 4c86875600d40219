/** Frozen weights in eight or four bits: training is nearly that over the weights themselves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asSystem, layeredWeights, load, saveModel } from '../../src/model/index.js';
import { adamw, dpo, lora, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, nf4, packNormalFloats, Random } from '../../src/tensor/index.js';
import { train } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { ggufModel } from '../model/gguf-model.js';
import { changedModel } from '../model/models.js';
import { temporaryFolder } from '../temporary.js';

const steps = 12;
const random = new Random(9);
const batches = Array.from({ length: 2 }, () => {
  const ids = Array.from({ length: 2 * 24 }, () => random.integer(95));
  const present = hostArray('i64', [2, 24], new Array(48).fill(1));
  return { input_ids: hostArray('i64', [2, 24], ids), attention_mask: present, labels: hostArray('i64', [2, 24], ids) };
});

interface Files {
  readonly file: string;
  readonly cache: string;
  /** The layers that are adapted. */
  readonly on: string;
}

async function modelFiles(kind: 'llama' | 'gpt2'): Promise<Files> {
  const folder = temporaryFolder();
  const [file, cache] = [join(folder, 'model.gguf'), join(folder, 'cache')];
  if (kind === 'llama') {
    writeFileSync(file, ggufModel({ width: 128, depth: 2, heads: 4, hidden: 256, vocab: 120, blocks: false }));
    return { file, cache, on: '**.{q,v}_proj' };
  }
  const model = await changedModel('gpt2', (config) => ({ ...config, n_embd: 128 }));
  await saveModel(model, folder);
  return { file: folder, cache, on: '**.c_attn' };
}

async function curveOf(
  frozen: 'f32' | 'int8' | 'nf4',
  { file, cache, on }: Files,
  changed?: (values: Float32Array) => Float32Array,
) {
  const adapter = lora({ rank: 4, on: [on] });
  let packed = 0;
  const model = asSystem(await load(file, { engine, cache, onPacking: () => packed++ }));
  const curve: { readonly loss: number; readonly norm: number }[] = [];
  const others = new Map<string, HostArray>();
  for (const [name, declaration] of changed ? model.declarations : []) {
    if (!/_proj\.weight$/.test(name)) continue;
    const { data } = await model.weights.read(declaration);
    others.set(name, hostArray('f32', declaration.shape, changed?.(data as Float32Array) ?? []));
  }
  const weights = layeredWeights(model.weights, others, 1);
  await train(
    { ...model, weights, adapt: adapter.adapt },
    {
      ...{ objective: nextToken(), train: adapter.parameters, frozen, steps },
      optimizer: adamw({ lr: 1e-2 }),
      data: {
        fields: ['input_ids', 'attention_mask', 'labels'],
        accumulates: false,
        take: async (step) => [batches[step % 2] as (typeof batches)[number]],
      },
      onStep: ({ loss, norm }) => curve.push({ loss, norm }),
    },
  );
  await model.close();
  return { curve, packed };
}

// GPT-2's weights are stored the other way round.
test.each(['llama', 'gpt2'] as const)(
  'the curve of an adapter over %s in eight bits is within one per cent of that in f32',
  async (kind) => {
    const files = await modelFiles(kind);
    const [whole, rounded] = [await curveOf('f32', files), await curveOf('int8', files)];
    expect(whole.packed).toBe(0);
    expect(rounded.packed).toBeGreaterThan(0);
    for (const [i, { loss, norm }] of whole.curve.entries()) {
      const own = rounded.curve[i] as (typeof whole.curve)[number];
      expect(own.loss).not.toBe(loss);
      expect(Math.abs(own.loss / loss - 1)).toBeLessThan(0.01);
      // Later gradients are taken at other values.
      if (i === 0) expect(Math.abs(own.norm / norm - 1)).toBeLessThan(0.05);
    }
    expect(rounded.curve.at(-1)?.loss).toBeLessThan((rounded.curve[0]?.loss as number) - 0.05);
    // What was packed once is found again.
    expect((await curveOf('int8', files)).packed).toBe(0);
  },
);

test('over a body in NF4 it is that over the same numbers in f32', async () => {
  const files = await modelFiles('llama');
  const [{ curve: whole }, { curve, packed }] = [await curveOf('f32', files), await curveOf('nf4', files)];
  expect(packed).toBeGreaterThan(0);
  const dequantised = await curveOf('f32', files, (values) => {
    const { codes, magnitudes } = packNormalFloats(values);
    return values.map((_, i) => {
      const byte = codes[i >> 1] as number;
      return (nf4[i & 1 ? byte & 15 : byte >> 4] as number) * (magnitudes[i >> 6] as number);
    });
  });
  for (const [i, { loss, norm }] of dequantised.curve.entries()) {
    const own = curve[i] as (typeof curve)[number];
    expect(own.loss).not.toBe(whole[i]?.loss);
    // Later values differ by what the optimiser makes of rounding.
    expect(Math.abs(own.loss / loss - 1)).toBeLessThan(i === 0 ? 1e-5 : 0.01);
    if (i === 0) expect(Math.abs(own.norm / norm - 1)).toBeLessThan(1e-4);
  }
});

test.each(['int8', 'nf4'] as const)('a reference is the base in %s that learns, not another one', async (frozen) => {
  const { file, cache, on } = await modelFiles('llama');
  const adapter = lora({ rank: 4, on: [on] });
  const model = asSystem(await load(file, { engine, cache }));
  const [chosen, rejected] = [hostArray('i64', [1], [0]), hostArray('i64', [1], [1])];
  const losses: number[] = [];
  const weights = layeredWeights(model.weights, new Map(), 1);
  await train(
    { ...model, weights, adapt: adapter.adapt },
    {
      ...{ objective: dpo(), train: adapter.parameters, frozen, steps: 2 },
      optimizer: adamw({ lr: 1e-2 }),
      data: {
        fields: ['input_ids', 'attention_mask', 'labels', 'chosen', 'rejected'],
        accumulates: false,
        take: async () => [{ ...(batches[0] as (typeof batches)[number]), chosen, rejected }],
      },
      onStep: ({ loss }) => losses.push(loss),
    },
  );
  await model.close();
  // An adapter begins as nothing: the policy is the reference.
  expect(losses[0]).toBeCloseTo(Math.log(2), 6);
  expect(losses[1]).toBeLessThan(losses[0] as number);
});

test('weights of no file are not held in integers, which is said', async () => {
  const model = await changedModel('gpt2', (config) => config);
  const adapter = lora({ rank: 4, on: ['**.c_attn'] });
  const stage = {
    ...({ objective: nextToken(), train: adapter.parameters, frozen: 'int8', steps: 1 } as const),
    optimizer: adamw({ lr: 1e-2 }),
    data: {
      fields: ['input_ids', 'attention_mask', 'labels'],
      accumulates: false,
      take: async () => [batches[0] as (typeof batches)[number]],
    },
  };
  await expect(train({ ...model, adapt: adapter.adapt }, stage)).rejects.toThrow('weights in files');
});
