import { expect, test } from 'vitest';
import { median, ratios, summarise } from '../../bench/harness/statistics.js';

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
