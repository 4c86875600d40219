/** Keys and values in another number of places, copied in parts. */
import { expect, test } from 'vitest';
import { withPlaces } from '../../src/model/language-graph.js';
import { atOnce, hostArray } from '../../src/tensor/index.js';

test('a long cache is copied in parts, each place to its own', () => {
  const [heads, places, width] = [3, 2000, 64];
  const numbers = Float32Array.from({ length: heads * places * width }, (_, i) => i);
  const arrays = {
    key: hostArray('f32', [1, heads, places, width], numbers),
    value: hostArray('f32', [1, heads, places, width], numbers),
  };
  const work = withPlaces(arrays, 1500, 1800);
  let parts = 0;
  const counted = (function* () {
    for (;;) {
      const { value, done } = work.next();
      parts++;
      if (done) return value;
      yield;
    }
  })();
  const copied = atOnce(counted);
  expect(parts).toBe(2);
  for (const { shape, data } of Object.values(copied)) {
    expect(shape).toEqual([1, heads, 1800, width]);
    for (const head of [0, 1, 2]) {
      const own = (data as Float32Array).subarray(head * 1800 * width, (head + 1) * 1800 * width);
      const wanted = numbers.subarray(head * places * width, (head * places + 1500) * width);
      expect(own.findIndex((number, i) => number !== (wanted[i] ?? 0))).toBe(-1);
    }
  }
});
