/** Weights in integers, against the same weights in f32. */
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  asSystem,
  LanguageSession,
  type LoadOptions,
  load,
  saveModel,
  type WeightsOption,
} from '../../src/model/index.js';
import { type HostArray, Random } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { ggufModel } from './gguf-model.js';
import { changedModel } from './models.js';

const random = new Random(4);
const ids = Array.from({ length: 70 }, () => random.integer(95));
const shape = { width: 128, depth: 2, heads: 4, hidden: 256, vocab: 128 };

/** A folder for a model and for the cache of its packed weights. */
function folderFor(blocks: boolean): { readonly file: string; readonly cache: string } {
  const folder = temporaryFolder({ 'model.gguf': ggufModel({ ...shape, blocks }) });
  return { file: join(folder, 'model.gguf'), cache: join(folder, 'cache') };
}

/** The same for a fixture's model with other sizes, its weights from a seed. */
async function folderOfKind(name: string, sizes: object): Promise<{ readonly file: string; readonly cache: string }> {
  const folder = temporaryFolder();
  const file = join(folder, 'model');
  await saveModel(await changedModel(name, (config) => ({ ...config, ...sizes })), file);
  return { file, cache: join(folder, 'cache') };
}

interface Scored {
  /** After the prompt, and after each of three tokens more. */
  readonly scores: readonly HostArray[];
  /** Of an encoder-decoder: what its reading half gives for the prompt. */
  readonly memory: readonly HostArray[];
  /** How many weights were packed. */
  readonly packed: number;
}

async function scoresOf(file: string, weights: WeightsOption, cache: string): Promise<Scored> {
  let packed = 0;
  const onPacking = (made: number): void => {
    if (made > 0) packed++;
  };
  const model = asSystem(await load(file, { engine, weights, cache, onPacking }));
  const session = await LanguageSession.open(model);
  const kept = session.start(1, 128);
  const scores: HostArray[] = [];
  const first = await session.begin(kept, { ids: [ids] });
  for (const row of [first.ids[0] as readonly number[], [7], [8], [9]]) {
    const { shape, dtype, data } = await session.step(kept, { ids: [row] });
    scores.push({ shape, dtype, data: data.slice() });
  }
  await session.close();
  await model.close();
  const { memory = {} } = kept;
  return { scores, memory: Object.values(memory).filter(({ dtype }) => dtype === 'f32'), packed };
}

/** The error of the scores, or of what was read, as a part of their own spread. */
function errorOf(actual: Scored, expected: Scored, of: 'scores' | 'memory' = 'scores'): number {
  let [error, spread] = [0, 0];
  for (const [i, { data }] of expected[of].entries()) {
    for (const [j, value] of (data as Float32Array).entries()) {
      error += ((actual[of][i]?.data[j] as number) - value) ** 2;
      spread += value ** 2;
    }
  }
  return Math.sqrt(error / spread);
}

// Activations are rounded to eight bits in every form, and four-bit weights to a sixteenth of their block's range.
test.each([
  ['auto', true, 1e-4, 0.03],
  ['int8', true, 1e-4, 0.03],
  ['int8', false, 1e-4, 0.03],
  ['int4', false, 0.02, 0.3],
] as const)('%s of a file with blocks (%s) is near f32', async (weights, blocks, least, most) => {
  const { file, cache } = folderFor(blocks);
  const expected = await scoresOf(file, 'f32', cache);
  const actual = await scoresOf(file, weights, cache);
  expect(expected.packed).toBe(0);
  expect(actual.packed).toBeGreaterThan(0);
  // An error of nothing would mean that nothing was quantised.
  expect(errorOf(actual, expected)).toBeGreaterThan(least);
  expect(errorOf(actual, expected)).toBeLessThan(most);
});

const kinds = [
  // Two of the attention and two of the perceptron a layer, stored [in, out], and those for prompts too; words and places.
  ['gpt2', { n_embd: 128, n_positions: 128 }, { int8: 2 * 4 + 2 * 4 + 2, int4: 2 * 4 + 2 }],
  // Seven a layer of the encoder, eleven of the decoder, the table of words and the head.
  ['flan-t5', { d_model: 64, d_kv: 16, d_ff: 128 }, { int8: 3 * 7 + 2 * 11 + 2, int4: 3 * 7 + 2 * 11 + 2 }],
] as const;

test.each(kinds)('every weight of %s, as it is stored, is held in integers', async (name, sizes, counts) => {
  const { file, cache } = await folderOfKind(name, sizes);
  const expected = await scoresOf(file, 'f32', cache);
  for (const [weights, least, most] of [
    ['int8', 1e-4, 0.03],
    ['int4', 0.02, 0.3],
  ] as const) {
    const actual = await scoresOf(file, weights, cache);
    expect(actual.packed).toBe(counts[weights]);
    for (const of of name === 'gpt2' ? (['scores'] as const) : (['scores', 'memory'] as const)) {
      expect(errorOf(actual, expected, of)).toBeGreaterThan(least);
      expect(errorOf(actual, expected, of)).toBeLessThan(most);
    }
  }
});

test('forms that there are not are refused before anything is read', async () => {
  const wrong = (options: object) => load('nowhere', options as LoadOptions);
  await expect(wrong({ wieghts: 'int8' })).rejects.toThrow(
    'load: there is no option "wieghts"; did you mean "weights"?',
  );
  await expect(wrong({ weights: 'int3' })).rejects.toThrow('weights: expected auto, f32, int8, int4, got int3');
  await expect(wrong({ kvCache: 'int4' })).rejects.toThrow('kvCache: expected f32, int8, got int4');
});

test('auto leaves floating-point weights as they are', async () => {
  const { file, cache } = folderFor(false);
  const [plain, auto] = [await scoresOf(file, 'f32', cache), await scoresOf(file, 'auto', cache)];
  expect(auto.packed).toBe(0);
  expect(errorOf(auto, plain)).toBe(0);
});

test('weights are packed once, again after a change of the file, and again when the packed file is damaged', async () => {
  const { file, cache } = folderFor(true);
  const first = await scoresOf(file, 'int8', cache);
  const second = await scoresOf(file, 'int8', cache);
  expect(second.packed).toBe(0);
  expect(errorOf(second, first)).toBe(0);
  const names = readdirSync(cache);
  for (const name of names) truncateSync(join(cache, name), 100);
  const third = await scoresOf(file, 'int8', cache);
  expect(third.packed).toBe(first.packed);
  expect(errorOf(third, first)).toBe(0);
  writeFileSync(file, ggufModel({ ...shape, blocks: true }));
  expect((await scoresOf(file, 'int8', cache)).packed).toBe(first.packed);
  expect(readdirSync(cache).length).toBe(2 * names.length);
});

test('without a place to keep them, packed weights are held in memory', async () => {
  const { file, cache } = folderFor(true);
  const kept = await scoresOf(file, 'auto', cache);
  const blocked = join(file, 'below-a-file');
  const unkept = await scoresOf(file, 'auto', blocked);
  expect(unkept.packed).toBe(kept.packed);
  expect(errorOf(unkept, kept)).toBe(0);
});

test('several sessions of one file at once pack it once', async () => {
  const { file, cache } = folderFor(true);
  const all = await Promise.all(
    [0, 20, 40, 60].map(async (wait) => {
      await new Promise((resolve) => setTimeout(resolve, wait));
      return scoresOf(file, 'auto', cache);
    }),
  );
  const expected = await scoresOf(file, 'auto', cache);
  for (const actual of all) expect(errorOf(actual, expected)).toBe(0);
  expect(readdirSync(cache).length).toBe(2);
});
