import { expect, test } from 'vitest';
import { standstillWatch } from '../../src/train/standstill.js';

/** What is told of steps whose gradients have these norms. */
function told(norms: readonly number[], metrics: Readonly<Record<string, number>> = {}): string[] {
  const notices: string[] = [];
  const watch = standstillWatch(({ message }) => notices.push(message));
  for (const [i, norm] of norms.entries()) watch({ step: i + 1, norm, metrics });
  return notices;
}

test('that gradients have been exactly 0 for some steps in a row is told once, with the step', () => {
  expect(told([1, 0, 0, 0, 0, 1e-9, 0, 0, 0, 0])).toEqual([]);
  expect(told([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])).toEqual([
    expect.stringMatching(/^step 6: the gradient has been exactly 0 for 5 steps: nothing is learnt\n.*lower rate/),
  ]);
});

test('where all answers are rewarded alike, that is why', () => {
  expect(told([0, 0, 0, 0, 0], { 'reward/equal': 1 })).toEqual([expect.stringContaining('rewarded alike')]);
});
