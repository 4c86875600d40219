import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkSchedule, learningRate, type Schedule, warmupSteps } from '../../src/train/schedule.js';

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

test('a schedule that cannot be meant is refused by field', () => {
  const refused = (options: Schedule) => () => checkSchedule(options, 100, 'stages[0].optimizer');
  expect(refused({ lr: 0 })).toThrow('stages[0].optimizer.lr: expected a positive number, got 0');
  expect(refused({ lr: 1, warmup: 2000 })).toThrow('stages[0].optimizer.warmup: expected a fraction');
  expect(refused({ lr: 1, warmup: { steps: 101 } })).toThrow('warmup.steps: expected a whole number up to the 100');
  expect(refused({ lr: 1, minimum: 3 })).toThrow('stages[0].optimizer.minimum');
});
