/** Caches of keys and values in eight bits, against those in f32. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  asSystem,
  Chat,
  generateTokens,
  initialise,
  LanguageSession,
  load,
  type Model,
  promptLookup,
  restoreConversation,
  saveConversation,
} from '../../src/model/index.js';
import { llama } from '../../src/recipes/llama.js';
import { opt } from '../../src/recipes/opt.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { ggufModel } from './gguf-model.js';
import { llavaInPlace, recorded, tokensRun } from './models.js';

const random = new Random(8);
const words = (count: number): number[] => Array.from({ length: count }, () => random.integer(95));
const [long, short] = [words(60), words(7)];

/** The same model with a cache in eight bits, of which nothing is kept on disk. */
const inEightBits = (model: Model<System>): Model<System> => ({ ...model, keepSteps: (_, { measure }) => measure() });
const tiny = () => initialise(llama('tiny'), { engine, seed: 5 });

async function opened(model: Model<System>): Promise<LanguageSession> {
  const session = await LanguageSession.open(model);
  onTestFinished(() => session.close());
  return session;
}

type Pieces = readonly (readonly number[])[];

/** Scores after the last piece of a text that is read in pieces. */
async function scoresAfter(session: LanguageSession, pieces: Pieces): Promise<number[]> {
  const cache = session.start(1, 100);
  let scores: number[] = [];
  for (const ids of pieces) scores = toNumbers(await session.step(cache, { ids: [ids] }));
  return scores;
}

/** The error as a part of the spread. */
function errorOf(actual: readonly number[], expected: readonly number[]): number {
  const squares = (of: (value: number, i: number) => number): number =>
    expected.reduce((sum, value, i) => sum + of(value, i) ** 2, 0);
  return Math.sqrt(squares((value, i) => (actual[i] as number) - value) / squares((value) => value));
}

test.each([
  ['llama', llama('tiny')],
  ['OPT', opt('tiny')],
] as const)('%s scores with keys and values in eight bits nearly as in f32', async (_, network) => {
  const model = await initialise(network, { engine, seed: 5 });
  const [exact, rounded] = [await opened(model), await opened(inEightBits(model))];
  const pieces = [long.slice(0, 40), ...long.slice(40).map((id) => [id])];
  const error = errorOf(await scoresAfter(rounded, pieces), await scoresAfter(exact, pieces));
  // Without any, nothing was rounded.
  expect(error).toBeGreaterThan(1e-4);
  expect(error).toBeLessThan(0.03);
  const bytes = (session: LanguageSession): number =>
    Object.values(session.start(1, 100).arrays).reduce((sum, { data }) => sum + data.byteLength, 0);
  expect(bytes(exact) / bytes(rounded)).toBe(4);
});

test('scores do not depend on how a text is divided, on other rows, or on where it was taken from', async () => {
  const session = await opened(inEightBits(await tiny()));
  const wanted = await scoresAfter(session, [long]);
  const near = (scores: readonly number[]): void => expect(errorOf(scores, wanted)).toBeLessThan(2e-3);
  near(await scoresAfter(session, [long.slice(0, 30), long.slice(30, 59), long.slice(59)]));
  const rows = session.start(2, 100);
  const both = toNumbers(await session.step(rows, { ids: [long, short] }));
  near(both.slice(0, wanted.length));
  const cache = session.start(1, 80);
  await session.step(cache, { ids: [[...long.slice(0, 50), ...short]] });
  const fork = await session.fork(cache, 50, 90);
  near(toNumbers(await session.step(fork, { ids: [long.slice(50)] })));
  session.rewind(cache, 50);
  near(toNumbers(await session.step(cache, { ids: [long.slice(50)] })));
});

test('rows that are written together go on as each would alone', async () => {
  const session = await opened(inEightBits(await tiny()));
  const answer = async (ids: Pieces): Promise<number[][]> => {
    const rows: number[][] = ids.map(() => []);
    for await (const { row, id } of generateTokens(session, session.start(ids.length, 100), { ids }, { maxTokens: 12 }))
      rows[row]?.push(id);
    return rows;
  };
  expect(await answer([long, short])).toEqual([...(await answer([long])), ...(await answer([short]))]);
});

test('speculation changes nothing', async () => {
  const session = await opened(inEightBits(await tiny()));
  const prompt = Array.from({ length: 24 }, (_, i) => (i * i + 3) % 7);
  const answer = async (options: object): Promise<number[]> => {
    const ids: number[] = [];
    for await (const { id } of generateTokens(session, session.start(1, 96), { ids: [prompt] }, options)) ids.push(id);
    return ids;
  };
  expect(await answer({ maxTokens: 40, speculate: promptLookup() })).toEqual(await answer({ maxTokens: 40 }));
});

test.each(['f32', 'int8'])('a conversation saved with a cache in eight bits goes on with one in %s', async (form) => {
  const ask = { messages: [{ role: 'user' as const, content: 'What do you see?' }], pictures: [] };
  const options = { maxTokens: 6, stopIds: [] };
  const chat = await Chat.open(inEightBits(await llavaInPlace()));
  onTestFinished(() => chat.close());
  const answer = await chat.answer(ask, options);
  const file = join(temporaryFolder(), 'conversation.safetensors');
  await saveConversation(chat, file);
  const { engine: recording, runs } = recorded();
  const model = await llavaInPlace(recording);
  const later = await Chat.open(form === 'f32' ? model : inEightBits(model));
  onTestFinished(() => later.close());
  await restoreConversation(later, file);
  runs.length = 0;
  expect(await later.answer(ask, options)).toBe(answer);
  expect(tokensRun(runs)[0]).toBe(1);
});

test('engines whose cache grows have none in eight bits, and say so', async () => {
  const growing = await initialise(llama('tiny'), { engine: { ...engine, inPlace: false }, seed: 5 });
  await expect(LanguageSession.open(inEightBits(growing))).rejects.toThrow('no cache of keys and values in eight bits');
});

test('prompts that have weights of their own fill the cache with the same steps', async () => {
  const packed = ggufModel({ width: 128, depth: 2, heads: 4, hidden: 256, vocab: 128, blocks: true });
  const file = temporaryFile('model.gguf', packed);
  const read = async (kvCache: 'f32' | 'int8', pieces: Pieces) => {
    const model = asSystem(await load(file, { engine, weights: 'int8', cache: temporaryFolder(), kvCache }));
    onTestFinished(() => model.close());
    const session = await opened(model);
    const cache = session.start(1, 64);
    let scores: HostArray | undefined;
    for (const ids of pieces) scores = await session.step(cache, { ids: [ids] });
    return { scores: toNumbers(scores as HostArray), cache, steps: session.steps };
  };
  // The first forty by the prompts' session, then some behind them by the same, the last one token by token.
  const pieces = [long.slice(0, 41), long.slice(41, 59), long.slice(59)];
  const [exact, rounded] = [await read('f32', pieces), await read('int8', pieces)];
  const error = errorOf(rounded.scores, exact.scores);
  expect(error).toBeGreaterThan(1e-5);
  expect(error).toBeLessThan(0.05);
  for (const [name, array] of Object.entries(rounded.cache.arrays)) {
    const [, heads, places, width] = array.shape as [number, number, number, number];
    const wanted = toNumbers(exact.cache.arrays[name] as HostArray);
    const steps = toNumbers(rounded.steps?.[name] as HostArray);
    const off = toNumbers(array).map((value, i) => {
      const step = steps[(Math.floor(i / (places * width)) % heads) * width + (i % width)] as number;
      return Math.abs(value - (wanted[i] as number) / step);
    });
    // Half a step by rounding; in the second layer, also by what the first one's rounding changed.
    expect(Math.max(...off), name).toBeLessThan(name.includes('.0.') ? 0.51 : 6);
  }
});

test('steps are measured once for a file, and the same where they are measured again', async () => {
  const [made, cache] = [temporaryFolder(), temporaryFolder()];
  const file = join(made, 'model.gguf');
  writeFileSync(file, ggufModel({ width: 128, depth: 2, heads: 4, hidden: 256, vocab: 128, blocks: false }));
  const { engine: recording, runs } = recorded();
  const measured: number[] = [];
  const steps = [];
  for (const at of [cache, cache, join(file, 'below-a-file')]) {
    runs.length = 0;
    const model = asSystem(await load(file, { engine: recording, weights: 'f32', cache: at, kvCache: 'int8' }));
    steps.push((await opened(model)).steps);
    await model.close();
    measured.push(runs.filter(({ session }) => session.endsWith('cache steps')).length);
  }
  expect(measured).toEqual([1, 0, 1]);
  expect(readdirSync(cache).length).toBe(1);
  expect(steps[1]).toEqual(steps[0]);
  expect(steps[2]).toEqual(steps[0]);
});
