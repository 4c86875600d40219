/**
 * Rotary positions that depend on the length of a text: a prompt that is read in several runs is turned by its whole length,
 * as one that is read at once.
 */
import { expect, test } from 'vitest';
import type { Packed } from '../../src/model/compile.js';
import { initialise, LanguageSession } from '../../src/model/index.js';
import { traceNetwork } from '../../src/model/trace.js';
import { layeredWeights } from '../../src/model/weights.js';
import { dynamicScaling, longScaling, type RotaryScaling } from '../../src/nn/index.js';
import { llama } from '../../src/parts/backbones/llama.js';
import { declarationsOf, type System, slot, system } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';

const original = 530;
const random = new Random(8);
const ids = Array.from({ length: 1040 }, () => random.integer(60));

const factorsOf = (width: number, factor: number): number[] =>
  Array.from({ length: width / 2 }, (_, i) => 1 + (factor * i) / width);

const scalings: Record<string, (width: number) => RotaryScaling> = {
  dynamic: () => dynamicScaling({ factor: 4, original }),
  LongRoPE: (width) => longScaling({ short: factorsOf(width, 0.2), long: factorsOf(width, 9), original, gain: 1.1 }),
};

/** Read at once, in several runs, and as prompts are where weights are packed: of width 6 the cache grows. */
const plain: Packed = {
  form: () => undefined,
  bind: () => {
    throw new Error('nothing is packed');
  },
};
const pack = async () => ({ decode: plain, prefill: plain });

/** Weights larger than those that training begins with, under which all keys are as good as alike. */
function loudValues(network: System): Map<string, HostArray> {
  const matrices = [...declarationsOf(network).values()].filter(({ shape }) => shape.length === 2);
  const draw = (shape: readonly number[]): number[] =>
    Array.from({ length: sizeOf(shape) }, () => (2 * random.normal()) / Math.sqrt(shape[1] as number));
  return new Map(matrices.map(({ name, shape }) => [name, hostArray('f32', shape, draw(shape))]));
}

test.each(
  Object.keys(scalings).flatMap((name) => [
    [name, 6, {}] as const,
    [name, 8, {}] as const,
    [name, 8, { pack }] as const,
  ]),
)('%s scaling, heads of width %i', async (name, headWidth, reading) => {
  const config = { width: 24, depth: 2, heads: 3, kvHeads: 1, headWidth, hidden: 20, vocab: 60, context: 4 * original };
  const scaling = (scalings[name] as (typeof scalings)[string])(headWidth);
  const backbone = slot(llama({ ...config, rotary: { theta: 1000, scaling } }), { prefix: '' });
  const network = system({ name, backbone });
  const model = await initialise(network, { engine, seed: 5 });
  const loud = { ...model, ...reading, weights: layeredWeights(model.weights, loudValues(network)) };
  const row = (values: readonly number[]): HostArray => hostArray('i64', [1, values.length], values);
  const given = { input_ids: row(ids), attention_mask: row(ids.map(() => 1)) };
  const { logits } = await traceNetwork(loud, given, { want: ['logits'] });
  const wanted = toNumbers(logits as HostArray).slice(-config.vocab);

  const session = await LanguageSession.open(loud);
  try {
    const found = await session.step(session.start(1, ids.length), { ids: [ids] });
    expectClose(found, { shape: [1, config.vocab], data: wanted }, 'scores', { rtol: 1e-4, atol: 0 });
    // A text that is read part by part, each by its own length, is another.
    const cache = session.start(1, ids.length);
    await session.step(cache, { ids: [ids.slice(0, 500)] });
    const other = toNumbers(await session.step(cache, { ids: [ids.slice(500)] }));
    const apart = Math.max(...other.map((x, i) => Math.abs(x - (wanted[i] as number))));
    expect(apart).toBeGreaterThan(1e-3 * Math.max(...wanted.map(Math.abs)));
  } finally {
    await session.close();
  }
});
