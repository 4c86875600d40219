/** How attention with rotary positions begins. */
import { describe, expect, test } from 'vitest';
import { input } from '../../src/graph/index.js';
import { initialWeights } from '../../src/model/index.js';
import { type Declaration, rootScope, rotaryAngles, rotaryAttention } from '../../src/nn/index.js';

const [width, heads, headWidth] = [64, 4, 16];

describe.each([4, 2])('attention of 4 heads and %i of keys and values', (kvHeads) => {
  test('begins by copying a share of what all its heads look at', async () => {
    const { p, declarations } = rootScope();
    const x = input('x', 'f32', [1, 3, width]);
    const angles = rotaryAngles({ positions: input('positions', 'i64', [1, 3]) }, headWidth, { theta: 10_000 });
    rotaryAttention(p.at('layer'), x, { heads, kvHeads, headWidth, angles, attend: (q) => q });
    const weights = initialWeights(1);
    const read = async (name: string): Promise<Float32Array> =>
      (await weights.read(declarations.get(`layer.${name}.weight`) as Declaration)).data as Float32Array;
    const [values, output] = [await read('v_proj'), await read('o_proj')];
    const product = (row: number, column: number): number => {
      let total = 0;
      for (let i = 0; i < heads * headWidth; i++) {
        const from = Math.floor((Math.floor(i / headWidth) * kvHeads) / heads) * headWidth + (i % headWidth);
        total += (output[row * heads * headWidth + i] as number) * (values[from * width + column] as number);
      }
      return total;
    };
    const diagonal = Array.from({ length: width }, (_, i) => product(i, i));
    const mean = diagonal.reduce((a, b) => a + b) / width;
    expect(mean).toBeGreaterThan(0.25);
    expect(mean).toBeLessThan(0.35);
    const beside = Array.from({ length: width - 1 }, (_, i) => product(i, i + 1));
    expect(Math.abs(beside.reduce((a, b) => a + b) / beside.length)).toBeLessThan(0.03);
  });
});
