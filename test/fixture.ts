/** Comparison of whole models with the numbers that reference implementations gave: `test/fixtures`, made by `oracle/`. */
import { readFileSync } from 'node:fs';
import { readTensors } from '../src/checkpoint/index.js';
import { load } from '../src/model/load.js';
import type { Model } from '../src/model/model.js';
import { traceNetwork } from '../src/model/trace.js';
import type { Engine } from '../src/runtime/engine.js';
import { nativeEngine } from '../src/runtime/native.js';
import { type HostArray, type Shape, sameShape, toNumbers } from '../src/tensor/index.js';
import { expectClose, type Tolerance } from './graph/close.js';

type Arrays = Record<string, HostArray>;

/** One engine for all tests of a file. */
export const engine: Engine = nativeEngine({ threads: 1 });

export const fixturePath = (name: string): string => new URL(`./fixtures/${name}`, import.meta.url).pathname;

export const fixtureJson = (name: string, file = 'fixture.json'): Record<string, unknown> =>
  JSON.parse(readFileSync(`${fixturePath(name)}/${file}`, 'utf8'));

/** All tensors of a safetensors file of a fixture. */
export function fixtureTensors(name: string, file: string): Promise<Arrays> {
  return readTensors(`${fixturePath(name)}/${file}.safetensors`);
}

/** Loads the fixture's model for the length of `use`. */
export async function withModel(name: string, use: (model: Model) => Promise<void>): Promise<void> {
  const model = await load(`${fixturePath(name)}/model`, { engine });
  try {
    await use(model);
  } finally {
    await model.close();
  }
}

/** What fixtures call the outputs that a given gradient weighs, where that is not our name. */
const outputNames: Readonly<Record<string, string>> = { upstream_hidden: 'upstream_last_hidden' };

/** What is asserted of outputs and of gradients, as parts of their largest magnitude. */
export interface FixtureTolerance {
  readonly forward?: number;
  readonly gradient?: number;
}

/**
 * Asserts that every expected tensor of a set is what our model gives: outputs to 1e-4 of their largest magnitude, gradients
 * to 1e-3 - or to the rounding noise of the largest gradient, where the exact one is zero. Padded places do not count.
 */
export async function expectFixture(
  name: string,
  set = '',
  rename: Readonly<Record<string, string>> = {},
  { forward = 1e-4, gradient = 1e-3 }: FixtureTolerance = {},
) {
  const names = { ...outputNames, ...rename };
  const given = Object.entries(await fixtureTensors(name, `inputs${set}`));
  const inputs = Object.fromEntries(given.map(([key, value]) => [names[key] ?? key, value]));
  const expected = await fixtureTensors(name, `expected${set}`);
  const isGradient = (key: string): boolean => key.startsWith('grad/');
  const keys = Object.keys(expected).filter((key) => key !== 'sequences' && !key.startsWith('processed/'));
  await withModel(name, async (model) => {
    const actual = await traceNetwork(model, inputs, keys.some(isGradient) ? { gradients: ['**'] } : {});
    const largest = Math.max(0, ...keys.filter(isGradient).map((key) => magnitude(expected[key] as HostArray)));
    for (const key of keys) {
      const found = actual[key];
      if (!found) throw new Error(`${name}: no ${key}`);
      const tolerance = isGradient(key) ? { rtol: gradient, atol: 1e-6 * largest } : { rtol: forward, atol: 0 };
      expectClose(found, present(key, expected[key] as HostArray, inputs.attention_mask), `${name}: ${key}`, tolerance);
    }
    for (const key of Object.keys(actual).filter(isGradient)) {
      if (!expected[key] && magnitude(actual[key] as HostArray) > 0) throw new Error(`${name}: unexpected ${key}`);
    }
  });
}

/** Asserts that an array is there and near another. */
export function expectSame(actual: HostArray | undefined, wanted: HostArray, what: string, tolerance: Tolerance): void {
  if (!actual) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, tolerance);
}

/** Expected numbers, those of padded tokens as NaN: they do not matter. */
export function present(key: string, { shape, ...array }: HostArray, mask: HostArray | undefined) {
  const data = toNumbers({ shape, ...array });
  const [rows, length, width = 1] = shape;
  const masked =
    mask && /^(logits|(encoder_)?last_hidden)$/.test(key) && sameShape(mask.shape, [rows, length] as Shape);
  if (masked) {
    for (const [i, real] of toNumbers(mask).entries()) if (!real) data.fill(Number.NaN, i * width, (i + 1) * width);
  }
  return { shape, data };
}

function magnitude(array: HostArray): number {
  return toNumbers(array).reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
}
