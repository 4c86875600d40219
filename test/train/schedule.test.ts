import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { learningRate, type Schedule, warmupSteps } from '../../src/train/schedule.js';

const { cases } = JSON.parse(readFileSync(new URL('../fixtures/train/schedules.json', import.meta.url), 'utf8')) as {
  cases: { options: Schedule; total: number; rates: number[] }[];
};

describe('the rate of every step, and of five beyond the end, equals transformers', () => {
  test.each(cases)('$options over $total steps', ({ options, total, rates }) => {
    for (const [step, rate] of rates.entries()) {
      expect(Math.abs(learningRate(options, step, total) - rate), `step ${step}`).toBeLessThan(1e-12);
    }
  });
});

test('a warm-up that is a fraction of the run is rounded up to whole steps', () => {
  expect(warmupSteps({ lr: 1, warmup: 0.03 }, 101)).toBe(4);
  expect(learningRate({ lr: 1, warmup: 0.03 }, 2, 101)).toBe(0.5);
});
