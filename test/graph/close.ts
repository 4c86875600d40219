/** Comparison of computed with expected numbers, by the largest magnitude of what is expected. */
import { expect } from 'vitest';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import type { Values } from './naive/arrays.js';

export interface Tolerance {
  /** The largest error, as a part of the largest expected magnitude. */
  readonly rtol?: number;
  /** An error that is never too large. */
  readonly atol?: number;
}

/** Asserts equal shapes and near values; expected NaN stands for a value that does not matter. */
export function expectClose(
  actual: HostArray,
  expected: Values,
  what: string,
  { rtol = 1e-5, atol = 1e-6 }: Tolerance = {},
): void {
  expect([...actual.shape], `shape of ${what}`).toEqual([...expected.shape]);
  const numbers = toNumbers(actual);
  const cares = Array.from(expected.data).filter((x) => !Number.isNaN(x));
  const scale = cares.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
  let worst = { error: -1, at: -1 };
  for (const [i, x] of numbers.entries()) {
    const wanted = expected.data[i] as number;
    if (Number.isNaN(wanted) || Object.is(x, wanted)) continue;
    const error = Math.abs(x - wanted);
    if (!(error <= worst.error)) worst = { error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error, at: i };
  }
  if (worst.error <= atol + rtol * scale) return;
  expect.fail(
    `${what}: element ${worst.at} of [${expected.shape}] is ${numbers[worst.at]}, expected ${expected.data[worst.at]}; ` +
      `the error is ${(worst.error / scale).toExponential(1)} of the largest magnitude ${scale.toPrecision(3)}`,
  );
}
