import { describe, expect, test } from 'vitest';
import { packBlocks, packColumns, Random } from '../../src/tensor/index.js';
import { unpackBlocks, unpackColumns } from './unpack.js';

const random = new Random(7);
const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());

function squaredError(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0) / a.length;
}

describe('blocks', () => {
  test.for([4, 8] as const)('%i bits hold what is a multiple of a scale exactly', (bits) => {
    const middle = 2 ** (bits - 1);
    // The lowest code is there, so that the scale is found at once.
    const codes = Array.from({ length: 64 }, (_, i) => (i % 32 === 5 ? -middle : random.integer(2 * middle) - middle));
    const values = Float32Array.from(codes, (code, i) => code * (i < 32 ? 0.25 : -0.5));
    const held = unpackBlocks(packBlocks(values, bits), { bits, block: 32, minima: false });
    expect(held.every((value, i) => value === values[i])).toBe(true);
  });

  test('the nearest codes with the best scale: no other scale of a fine grid is much better', () => {
    const values = normals(32);
    const error = squaredError(values, unpackBlocks(packBlocks(values, 4), { bits: 4, block: 32, minima: false }));
    let best = Number.POSITIVE_INFINITY;
    for (let scale = -1; scale <= 1; scale += 1e-3) {
      const tried = values.map((value) => scale * Math.max(-8, Math.min(7, Math.round(value / (scale || 1)))));
      best = Math.min(best, squaredError(values, tried));
    }
    expect(error).toBeLessThan(1.5 * best);
  });

  test('zeros stay zeros', () => {
    const packed = packBlocks(new Float32Array(32), 4);
    expect(packed.scales[0]).toBeCloseTo(0, 30);
    expect(unpackBlocks(packed, { bits: 4, block: 32, minima: false }).every((value) => value === 0)).toBe(true);
  });

  test('rows that are no whole blocks are refused', () => {
    expect(() => packBlocks(new Float32Array(33), 4)).toThrow('33 values are no whole blocks of 32');
  });
});

test('columns: every row of a weight to half a step of its own scale', () => {
  const values = normals(3 * 10).map((value, i) => value * 10 ** Math.floor(i / 10));
  const packed = packColumns(values, 3);
  expect(packed.codes.length).toBe(30);
  for (const [i, value] of unpackColumns(packed).entries()) {
    const scale = packed.scales[Math.floor(i / 10)] as number;
    expect(Math.abs(value - (values[i] as number))).toBeLessThanOrEqual(0.5001 * scale);
  }
});
