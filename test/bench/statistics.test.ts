import { expect, test } from 'vitest';
import { farthest, means, median, ratios, summarise } from '../../bench/harness/statistics.js';

test('the median is the value in the middle, or between the two in the middle, whatever the order', () => {
  expect(median([5])).toBe(5);
  expect(median([9, 1, 100])).toBe(9);
  expect(median([100, 2, 1, 4])).toBe(3);
  // By value, not by spelling.
  expect(median([10, 9, 2])).toBe(9);
});

test('the best is the largest where more is better, otherwise the smallest', () => {
  expect(summarise([3, 7, 5], 'more')).toEqual({ median: 5, best: 7 });
  expect(summarise([3, 7, 5], 'less')).toEqual({ median: 5, best: 3 });
});

test('ratios are of medians, ours over theirs, for what both have measured', () => {
  const ours = { speed: [30, 10, 20], memory: [50] };
  const theirs = { speed: [8, 16, 4], load: [1] };
  expect(ratios(ours, theirs)).toEqual({ speed: 2.5 });
});

test('means are of so many values each; what is left over is in none', () => {
  expect(means([1, 3, 5, 9, 100], 2)).toEqual([2, 7]);
});

test('a curve is as far from another as where it is farthest, whatever the direction', () => {
  expect(farthest([2, 3, 4], [2, 4, 5])).toBeCloseTo(0.25, 12);
  expect(farthest([5, 4], [4, 4])).toBeCloseTo(0.25, 12);
});
