import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blockFormOf, dequantise, repack } from '../../src/checkpoint/gguf-blocks.js';
import { isQuantised, openCheckpoint, type QuantisedType, quantisedTypes } from '../../src/checkpoint/index.js';
import { Random } from '../../src/tensor/index.js';
import { unpackBlocks } from '../tensor/unpack.js';

const file = join(import.meta.dirname, '../fixtures/checkpoint/blocks.gguf');

test("blocks of every type keep their values in the engine's layout", async () => {
  const checkpoint = await openCheckpoint(file);
  const bytes = readFileSync(file);
  const tried = new Set<QuantisedType>();
  for (const { dtype, source } of checkpoint.tensors.values()) {
    if (!isQuantised(dtype) || !('file' in source)) continue;
    const stored = new Uint8Array(bytes.subarray(source.offset, source.offset + source.length));
    const expected = dequantise(dtype, stored);
    const actual = unpackBlocks(repack(dtype, stored), blockFormOf(dtype));
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const [i, value] of expected.entries()) {
      const error = Math.abs((actual[i] as number) - value);
      if (error > 1e-6 * largest) expect.fail(`${dtype}: value ${i} is ${actual[i]}, not ${value}`);
    }
    tried.add(dtype);
  }
  await checkpoint.close();
  expect([...tried].sort()).toEqual(Object.keys(quantisedTypes).sort());
});

test('types without minima are held bit for bit', () => {
  const random = new Random(3);
  const block = Uint8Array.from({ length: 34 }, () => random.integer(256));
  block[1] = 0x2c; // a scale that is no infinity
  const [packed, form] = [repack('Q8_0', block), blockFormOf('Q8_0')];
  expect(unpackBlocks(packed, form)).toEqual(dequantise('Q8_0', block));
});
