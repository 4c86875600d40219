/** Against the buckets that transformers' T5 has for the same settings. */
import { expect, test } from 'vitest';
import { distanceBuckets } from '../../src/nn/index.js';

/** The distances at which the next bucket begins. */
const begins = (buckets: readonly number[], farthest: number): number[] =>
  Array.from({ length: farthest }, (_, i) => i + 1).filter((d) => buckets[farthest + d] !== buckets[farthest + d - 1]);

test.each([
  [
    ...[32, 128, false],
    [
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99,
      113,
    ],
  ],
  [32, 128, true, [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]],
  [
    ...[32, 800, false],
    [
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 21, 27, 34, 43],
      ...[55, 70, 89, 114, 145, 185, 236, 301, 385, 491, 627],
    ],
  ],
  [32, 800, true, [1, 2, 3, 4, 5, 6, 7, 8, 15, 26, 45, 80, 143, 253, 450]],
  [8, 20, false, [1, 2, 3, 4, 6, 9, 14]],
  [8, 20, true, [1, 2, 7]],
  [6, 17, true, [1, 5]],
  [16, 64, true, [1, 2, 3, 4, 8, 16, 32]],
] as [number, number, boolean, number[]][])(
  '%i buckets up to %i, both ways %s, begin where the reference has them begin',
  (count, farthest, bothWays, expected) => {
    const buckets = distanceBuckets({ buckets: count, farthest, bothWays });
    expect(begins(buckets, farthest)).toEqual(expected);
    expect(buckets[farthest]).toBe(0);
    expect(buckets.at(-1)).toBe(expected.length);
    // Behind the query: the same buckets a second time, or the query's own.
    const behind = buckets.slice(0, farthest).reverse();
    const before = buckets.slice(farthest + 1);
    expect(behind).toEqual(before.map((bucket) => (bothWays ? bucket + Math.floor(count / 2) : 0)));
  },
);

test('buckets that cannot hold the distances are refused', () => {
  expect(() => distanceBuckets({ buckets: 2, farthest: 128, bothWays: true })).toThrow(/2 buckets/);
  expect(() => distanceBuckets({ buckets: 32, farthest: 2 ** 40, bothWays: true })).toThrow(/distances up to/);
});
