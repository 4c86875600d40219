/** Prompts read by the session of their own, against the session that reads single tokens. */
import { test } from 'vitest';
import type { Packed } from '../../src/model/compile.js';
import { initialise, LanguageSession, type Model } from '../../src/model/index.js';
import { gemma2 } from '../../src/recipes/gemma2.js';
import { gemma3 } from '../../src/recipes/gemma3.js';
import { llama } from '../../src/recipes/llama.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, hostArray, Random } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { llavaInPlace } from './models.js';

const random = new Random(11);
const tokens = (count: number): number[] => Array.from({ length: count }, () => random.integer(90));
/** Weights as they are, so that nothing but the way of reading differs. */
const plain: Packed = {
  form: () => undefined,
  bind: () => {
    throw new Error('nothing is packed');
  },
};

async function sessions(model: Model<System>) {
  const single = await LanguageSession.open(model);
  const pack = async () => ({ decode: plain, prefill: plain });
  return { single, prompts: await LanguageSession.open({ ...model, pack }) };
}

/** The scores after a prompt and three more tokens, where the prompt is read in the given pieces. */
async function scoresAfter(
  session: LanguageSession,
  rows: readonly (readonly number[])[],
  { pieces = [], features }: { pieces?: readonly number[]; features?: HostArray } = {},
): Promise<HostArray[]> {
  const cache = session.start(rows.length, 1100);
  const results: HostArray[] = [];
  let from = 0;
  for (const to of [...pieces, Math.max(...rows.map((row) => row.length))]) {
    const ids = rows.map((row) => row.slice(from, to));
    const scores = await session.step(cache, { ids, features: from === 0 ? features : undefined });
    if (to >= Math.max(...rows.map((row) => row.length))) results.push(copyOf(scores));
    from = to;
  }
  for (const id of [3, 5, 8]) results.push(copyOf(await session.step(cache, { ids: rows.map(() => [id]) })));
  return results;
}

const copyOf = (array: HostArray): HostArray => ({ ...array, data: array.data.slice() });

function expectEqual(actual: readonly HostArray[], expected: readonly HostArray[]): void {
  for (const [i, scores] of actual.entries()) {
    const wanted = expected[i] as HostArray;
    expectClose(scores, { shape: wanted.shape, data: wanted.data as Float32Array }, `scores ${i}`, { rtol: 1e-4 });
  }
}

test.each([17, 64, 203, 513, 700])('a prompt of %i tokens', async (count) => {
  const model = await initialise(llama('tiny'), { engine, seed: 2 });
  const { single, prompts } = await sessions(model);
  const rows = [tokens(count)];
  const expected = await scoresAfter(single, rows);
  expectEqual(await scoresAfter(prompts, rows), expected);
  expectEqual(await scoresAfter(prompts, rows, { pieces: [5, 8, Math.floor(count / 2) + 1] }), expected);
  await single.close();
  await prompts.close();
});

test.each([
  ['Gemma 2', gemma2],
  ['Gemma 3', gemma3],
])('%s: some layers see a window of what several parts hold', async (_, recipe) => {
  const model = await initialise(recipe('tiny'), { engine, seed: 4 });
  const { single, prompts } = await sessions(model);
  const rows = [tokens(101)];
  expectEqual(await scoresAfter(prompts, rows, { pieces: [40] }), await scoresAfter(single, rows));
  await single.close();
  await prompts.close();
});

test('rows of different lengths, of which some are too short to be read as prompts', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 3 });
  const { single, prompts } = await sessions(model);
  const rows = [tokens(90), tokens(5), tokens(40)];
  expectEqual(await scoresAfter(prompts, rows), await scoresAfter(single, rows));
  await single.close();
  await prompts.close();
});

test('features take the places of image tokens in every part of a prompt', async () => {
  const model = await llavaInPlace(engine);
  const image = model.network.image?.token as number;
  const { width } = model.network.backbone.part;
  const { single, prompts } = await sessions(model);
  // Image tokens at the beginning, at the end, and nothing but.
  const rows = [
    [image, image, ...tokens(30), image],
    [...tokens(20), image, image, image, ...tokens(4)],
    Array.from({ length: 21 }, () => image),
  ];
  const count = rows.flat().filter((id) => id === image).length;
  const features = hostArray(
    'f32',
    [count, width],
    Array.from({ length: count * width }, () => random.normal()),
  );
  expectEqual(await scoresAfter(prompts, rows, { features }), await scoresAfter(single, rows, { features }));
  await single.close();
  await prompts.close();
});
