import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blockFormOf, dequantise, repack } from '../../src/checkpoint/gguf-blocks.js';
import { isQuantised, openCheckpoint, type QuantisedType, quantisedTypes } from '../../src/checkpoint/index.js';
import { Random } from '../../src/tensor/index.js';
import { unpackBlocks } from '../tensor/unpack.js';

const file = join(import.meta.dirname, '../fixtures/checkpoint/blocks.gguf');

/** The type and the bytes of each quantised tensor. */
async function storedTensors(): Promise<(readonly [QuantisedType, Uint8Array])[]> {
  const checkpoint = await openCheckpoint(file);
  const bytes = readFileSync(file);
  const found = [...checkpoint.tensors.values()].flatMap(({ dtype, source }) =>
    isQuantised(dtype) && 'file' in source
      ? [[dtype, new Uint8Array(bytes.subarray(source.offset, source.offset + source.length))] as const]
      : [],
  );
  await checkpoint.close();
  return found;
}

test("blocks of every type keep their values in the engine's layout", async () => {
  const tried = new Set<QuantisedType>();
  for (const [dtype, stored] of await storedTensors()) {
    const expected = dequantise(dtype, stored);
    const actual = unpackBlocks(repack(dtype, stored), blockFormOf(dtype));
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const [i, value] of expected.entries()) {
      const error = Math.abs((actual[i] as number) - value);
      if (error > 1e-6 * largest) expect.fail(`${dtype}: value ${i} is ${actual[i]}, not ${value}`);
    }
    tried.add(dtype);
  }
  expect([...tried].sort()).toEqual(Object.keys(quantisedTypes).sort());
});

test('beside a minimum only the spread of a block is left to what is rounded in a product', async () => {
  const tried = new Set<QuantisedType>();
  for (const [dtype, stored] of await storedTensors()) {
    const { minima } = repack(dtype, stored);
    if (!minima) continue;
    const { block } = blockFormOf(dtype);
    let [left, spread] = [0, 0];
    const values = dequantise(dtype, stored);
    for (const [at, minimum] of minima.entries()) {
      const own = values.subarray(at * block, (at + 1) * block);
      const mean = own.reduce((a, b) => a + b, 0) / block;
      for (const value of own) {
        left += Math.abs(value - minimum);
        spread += Math.abs(value - mean);
      }
    }
    expect(left / spread, dtype).toBeLessThan(1.3);
    tried.add(dtype);
  }
  expect([...tried].sort()).toEqual(['Q2_K', 'Q4_1', 'Q4_K', 'Q5_1', 'Q5_K']);
});

test('types without minima are held bit for bit', () => {
  const random = new Random(3);
  const block = Uint8Array.from({ length: 34 }, () => random.integer(256));
  block[1] = 0x2c; // a scale that is no infinity
  const [packed, form] = [repack('Q8_0', block), blockFormOf('Q8_0')];
  expect(unpackBlocks(packed, form)).toEqual(dequantise('Q8_0', block));
});
