/** What runs leave behind, to be compared with what other runs do. */

import { join } from 'node:path';
import { expect } from 'vitest';
import { load } from '../../src/model/index.js';
import { toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { logOf as recordsOf } from './small-runs.js';

type Line = Readonly<Record<string, unknown>>;

/** The log of a stage without what was measured. */
export const logOf = (folder: string, name: string): Line[] =>
  recordsOf(folder, name)
    .filter(({ estimate }) => estimate === undefined)
    .map(({ time, waited, memory, at, ...record }) => record);

/** Every number of two logs or two records, within 1e-5 of each other. */
export function expectAlike(actual: unknown, expected: unknown): void {
  if (typeof expected === 'number') {
    expect(Math.abs((actual as number) - expected)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(expected)));
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(actual as object)).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) expectAlike((actual as Line)[key], value);
  } else expect(actual).toBe(expected);
}

/** Of the model that a run has written. */
export async function weightsOf(folder: string): Promise<Record<string, number[]>> {
  const model = await load(join(folder, 'out/model'), { engine });
  const weights: Record<string, number[]> = {};
  for (const [name, declaration] of model.declarations)
    weights[name] = toNumbers(await model.weights.read(declaration));
  await model.close();
  return weights;
}
