import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Schedule } from '../../src/system/index.js';
import { checkSchedule, learningRate, warmupSteps } from '../../src/train/schedule.js';

const { cases } = JSON.parse(readFileSync(new URL('../fixtures/train/schedules.json', import.meta.url), 'utf8')) as {
  cases: { options: Schedule; total: number; rates: number[] }[];
};

describe('the rate of every step, and of five beyond the end, equals the reference', () => {
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

test('curves that cannot be meant are refused by field', () => {
  const refused = (schedule: Omit<Schedule, 'lr'>) =>
    expect(() => checkSchedule({ lr: 1e-3, ...schedule }, 100, 'optimizer'));
  refused({ minimum: 3 }).toThrow('optimizer.minimum: expected a part of lr');
  refused({ schedule: 'linear', minimum: 0.1 }).toThrow('optimizer.minimum: expected none with the schedule linear');
  refused({ warmup: { steps: 101 } }).toThrow('warmup.steps: expected a whole number up to the 100');
  refused({ warmup: 50 }).toThrow('optimizer.warmup: expected a part of the run');
  refused({ warmup: 0.1, schedule: 'one-cycle' }).toThrow('optimizer.warmup: expected none');
  refused({ warmup: 0.5, schedule: { kind: 'warmup-stable-decay', decay: 0.6 } }).toThrow('schedule.decay');
  refused({ schedule: { kind: 'step', every: 0 } }).toThrow('optimizer.schedule.every: expected a positive number');
  for (const { options, total } of cases) checkSchedule(options, total, 'optimizer');
});
