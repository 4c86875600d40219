/** Frozen weights in eight bits: training is all but that over the weights themselves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asSystem, layeredWeights, load } from '../../src/model/index.js';
import { adamw, lora, nextToken } from '../../src/system/index.js';
import { hostArray, Random } from '../../src/tensor/index.js';
import { train } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { ggufModel } from '../model/gguf-model.js';

const steps = 12;
const adapter = lora({ rank: 4, on: ['**.{q,v}_proj'] });
const random = new Random(9);
const batches = Array.from({ length: 2 }, () => {
  const ids = Array.from({ length: 2 * 24 }, () => random.integer(95));
  const present = hostArray('i64', [2, 24], new Array(48).fill(1));
  return { input_ids: hostArray('i64', [2, 24], ids), attention_mask: present, labels: hostArray('i64', [2, 24], ids) };
});

function modelFile(): { readonly file: string; readonly cache: string } {
  const folder = mkdtempSync(join(tmpdir(), 'quintet-frozen-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'model.gguf');
  writeFileSync(file, ggufModel({ width: 128, depth: 2, heads: 4, hidden: 256, vocab: 128, blocks: false }));
  return { file, cache: join(folder, 'cache') };
}

async function curveOf(frozen: 'f32' | 'int8', { file, cache }: ReturnType<typeof modelFile>) {
  let packed = 0;
  const model = asSystem(await load(file, { engine, cache, onPacking: () => packed++ }));
  const curve: { readonly loss: number; readonly norm: number }[] = [];
  const weights = layeredWeights(model.weights, new Map(), 1);
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

test('the curve of an adapter over a body in eight bits is within one per cent of that in f32', async () => {
  const files = modelFile();
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
});
