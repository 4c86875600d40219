/** Speculation changes how many runs an answer takes, and nothing else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import {
  asSystem,
  Chat,
  draftModel,
  type GeneratedToken,
  type GenerateOptions,
  generateTokens,
  initialise,
  LanguageSession,
  load,
  type Model,
  promptLookup,
  type Speculator,
} from '../../src/model/index.js';
import { llama } from '../../src/recipes/llama.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import type { Constraint } from '../../src/text/index.js';
import { engine, fixturePath } from '../fixture.js';
import { copyOfModel, llavaInPlace, recorded } from './models.js';

const prompt = Array.from({ length: 24 }, (_, i) => (i * i + 3) % 7);

/** The tokens of an answer; of as many as are listened to. */
async function generate(model: Model<System>, options: GenerateOptions, listen?: number): Promise<GeneratedToken[]> {
  const session = await LanguageSession.open(model);
  try {
    const cache = session.start(1, 96);
    const tokens: GeneratedToken[] = [];
    for await (const token of generateTokens(session, cache, { ids: [prompt] }, options)) {
      tokens.push(token);
      if (tokens.length === listen) break;
    }
    // All but the last token, however many were guessed beyond it.
    expect(cache.lengths[0]).toBe(prompt.length + tokens.length - 1);
    return tokens;
  } finally {
    await session.close();
  }
}

/** Guesses of which some are right and some wrong: what comes, but for every third token. */
function halfRight(wanted: readonly number[]): Speculator {
  return {
    guess: (all) => {
      const from = all.length - prompt.length;
      return wanted.slice(from, from + 5).map((id, i) => ((from + i) % 3 === 2 ? (id + 1) % 256 : id));
    },
  };
}

const engines: readonly (readonly [string, (by: Engine) => Engine])[] = [
  ['in place', (by) => by],
  ['growing', (by) => ({ ...by, inPlace: false })],
];
const settings: readonly GenerateOptions[] = [
  { maxTokens: 40, logprobs: 2 },
  { maxTokens: 40, temperature: 1.5, topK: 20, seed: 3, repetitionPenalty: 1.2 },
  { maxTokens: 100, temperature: 0.8, topP: 0.9, seed: 5 },
  { maxTokens: 40, presencePenalty: 0.1, frequencyPenalty: 0.1, logitBias: { 3: 0.2 }, noRepeatNgram: 3, logprobs: 2 },
];

test.each(engines)('the tokens are those of plain decoding, greedy and drawn (%s)', async (_, as) => {
  const { engine: recording, runs } = recorded();
  const model = await initialise(llama('tiny'), { engine: as(recording), seed: 5 });
  for (const options of settings) {
    const wanted = await generate(model, options);
    const ids = wanted.map(({ id }) => id);
    const draft = await LanguageSession.open(model);
    for (const speculate of [promptLookup(), draftModel(draft), halfRight(ids), { guess: () => [] }]) {
      runs.length = 0;
      const actual = await generate(model, { ...options, speculate });
      expect(actual.map(({ id, end }) => [id, end])).toEqual(wanted.map(({ id, end }) => [id, end]));
      for (const [i, { logprob, top }] of actual.entries()) {
        if (logprob === undefined) continue;
        expect(logprob).toBeCloseTo(wanted[i]?.logprob as number, 3);
        expect(top.length).toBe(2);
      }
    }
    await draft.close();
  }
});

test('right guesses save runs, and a stop token ends the answer in the middle of them', async () => {
  const { engine: recording, runs } = recorded();
  const model = await initialise(llama('tiny'), { engine: recording, seed: 5 });
  const wanted = (await generate(model, { maxTokens: 31 })).map(({ id }) => id);
  const right: Speculator = {
    guess: (all) => wanted.slice(all.length - prompt.length, all.length - prompt.length + 5),
  };
  runs.length = 0;
  expect((await generate(model, { maxTokens: 31, speculate: right })).map(({ id }) => id)).toEqual(wanted);
  expect(runs.length).toBeLessThanOrEqual(7);
  for (const listen of [1, 9, 14]) {
    const heard = await generate(model, { maxTokens: 31, speculate: right }, listen);
    expect(heard.map(({ id }) => id)).toEqual(wanted.slice(0, listen));
  }
  const stop = wanted[8] as number;
  const until = wanted.indexOf(stop) + 1;
  const stopped = await generate(model, { maxTokens: 31, speculate: right, stopIds: [stop] });
  expect(stopped.map(({ id }) => id)).toEqual(wanted.slice(0, until));
  expect(stopped.at(-1)?.end).toBe('stop');
});

test('guesses for several rows are refused', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 5 });
  const session = await LanguageSession.open(model);
  const tokens = generateTokens(session, session.start(2, 9), { ids: [[1], [2]] }, { speculate: promptLookup() });
  await expect(tokens.next()).rejects.toThrow('speculate: guesses are made for one row, and there are 2');
  await session.close();
});

test('lookup finds the latest place of the longest run of last tokens', () => {
  const { guess } = promptLookup({ tokens: 3, longest: 2 });
  expect(guess([1, 2, 3, 4, 9, 1, 2, 7, 8, 5, 1, 2])).toEqual([7, 8, 5]);
  expect(guess([1, 2, 3, 9, 2])).toEqual([3, 9, 2]);
  expect(guess([1, 2, 3])).toEqual([]);
  expect(guess([5, 5, 5])).toEqual([5]);
});

test('options that mean nothing are refused', async () => {
  expect(() => promptLookup({ tokens: 0 })).toThrow('promptLookup: tokens: expected a whole number from 1 on, got 0');
  expect(() => promptLookup({ longst: 2 } as object)).toThrow('no option "longst"; did you mean "longest"?');
  const draft = await LanguageSession.open(await initialise(llama('tiny'), { engine }));
  expect(() => draftModel(draft, { capacity: 1.5 })).toThrow('draftModel: capacity: expected a whole number');
  await draft.close();
});

test('an encoder-decoder is no draft', async () => {
  const model = asSystem(await load(`${fixturePath('t5')}/model`, { engine }));
  const session = await LanguageSession.open(model);
  const refused = { code: 'unsupported', message: expect.stringContaining('an encoder-decoder cannot guess') };
  expect(() => draftModel(session)).toThrow(expect.objectContaining(refused));
  await session.close();
  await model.close();
});

test('a draft makes room as its conversation grows, up to what it may', async () => {
  const { engine: recording, runs } = recorded();
  const draft = await LanguageSession.open(await initialise(llama('tiny'), { engine: recording, seed: 5 }));
  const growing = draftModel(draft, { tokens: 2, capacity: 40 });
  const said = Array.from({ length: 40 }, (_, i) => (i * i + 3) % 7);
  for (let length = 4; length <= 38; length++) {
    const anew = await draftModel(draft, { tokens: 2, capacity: length + 2 }).guess(said.slice(0, length));
    runs.length = 0;
    expect(await growing.guess(said.slice(0, length))).toEqual(anew);
    const rooms = runs.map(({ feeds }) => Object.values(feeds).find(({ shape }) => shape.length === 4)?.shape[2]);
    expect(new Set(rooms)).toEqual(new Set([length <= 10 ? 12 : length <= 24 ? 26 : 40]));
  }
  expect(await growing.guess(said.slice(0, 39))).toEqual([]);
  await draft.close();
});

test('a draft that sees pictures itself is shown none, and the answer stays as it is', async () => {
  const model = await llavaInPlace();
  const chat = await Chat.open(model);
  const draft = await LanguageSession.open(model);
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'What is this?' }];
  const pictures = [await loadPicture(`${fixturePath('llava')}/media/two.png`)];
  const asked = { messages: [{ role: 'user' as const, content }], pictures };
  const options = { maxTokens: 12, stopIds: [] };
  const wanted = await chat.answer(asked, options);
  expect(await chat.answer(asked, { ...options, speculate: draftModel(draft) })).toBe(wanted);
  await draft.close();
  await chat.close();
});

/** LLaVA with so many rows in its tables, and a tokenizer that something was done to. */
async function withWords(rows: number, change: (tokenizer: string) => string = (text) => text): Promise<Model<System>> {
  const folder = copyOfModel('llava');
  for (const [name, changed] of [
    ['config.json', (text: string) => text.replace(/"vocab_size": \d+/, `"vocab_size": ${rows}`)],
    ['tokenizer.json', change],
  ] as const) {
    writeFileSync(join(folder, name), changed(readFileSync(join(folder, name), 'utf8')));
  }
  const model = asSystem(await load(folder, { engine, fresh: 1 }));
  onTestFinished(() => model.close());
  return model;
}

test.each([
  ['fewer', 0, 12],
  ['more', 12, 0],
])('a draft may have %s padded words than its model', async (_, own, drafted) => {
  const vocab = 300;
  const model = await withWords(vocab + own);
  const session = await LanguageSession.open(model);
  const draft = await LanguageSession.open(await withWords(vocab + drafted));
  // As if the model said what only it has a word for.
  const ids = [1, 5, vocab + own - 1];
  const run = async (options: GenerateOptions): Promise<number[]> => {
    const tokens: number[] = [];
    const settings = { maxTokens: 12, ...options };
    for await (const { id } of generateTokens(session, session.start(1, 32), { ids: [ids] }, settings)) tokens.push(id);
    return tokens;
  };
  expect(await run({ speculate: draftModel(draft) })).toEqual(await run({}));
  const beyond: Speculator = { guess: () => [vocab + own] };
  expect(await run({ speculate: beyond })).toEqual(await run({}));
  await Promise.all([session.close(), draft.close()]);
});

test('a draft model with another tokenizer is refused, whatever their sizes', async () => {
  const model = await withWords(300);
  const other = await withWords(300, (text) => text.replace('"a": 69', '"a": 73').replace('"e": 73', '"e": 69'));
  const draft = await LanguageSession.open(other);
  expect(() => draftModel(draft).check?.(model)).toThrow(/other words: 69 is "e" in place of "a"/);
  const session = await LanguageSession.open(model);
  const tokens = generateTokens(session, session.start(1, 96), { ids: [[1, 5]] }, { speculate: draftModel(draft) });
  await expect(tokens.next()).rejects.toThrow('the draft model has other words');
  // Without tokenizers, their sizes are all that is known.
  const bare = await initialise(llama('tiny'), { engine, seed: 5 });
  expect(() => draftModel(draft).check?.(bare)).toThrow('the draft model has other words: 300 in place of 256');
  await Promise.all([session.close(), draft.close()]);
});

test.each(engines)('an answer that is stopped behind a run with guesses leaves none of them (%s)', async (_, as) => {
  const model = await initialise(llama('tiny'), { engine: as(engine), seed: 5 });
  const ids = (await generate(model, { maxTokens: 20 })).map(({ id }) => id);
  const session = await LanguageSession.open(model);
  for (const at of [2, 3, 4]) {
    const stop = new AbortController();
    let taken = 0;
    const constrain = (): Constraint => ({
      *ready() {
        if (taken === at) stop.abort();
        yield;
      },
      allowed: () => new Uint32Array(8).fill(-1),
      accept: () => void taken++,
      done: false,
    });
    const cache = session.start(1, 96);
    const guess = { speculate: { guess: () => (taken === 2 ? [...ids.slice(2, 4), 1, 1] : []) } };
    const options = { ...guess, constrain, signal: stop.signal };
    const tokens: number[] = [];
    const answer = async () => {
      for await (const { id } of generateTokens(session, cache, { ids: [prompt] }, options)) tokens.push(id);
    };
    await expect(answer()).rejects.toMatchObject({ code: 'aborted' });
    const known = [...prompt, ...tokens];
    expect(cache.lengths[0]).toBeLessThanOrEqual(known.length);
    const rest: number[] = [];
    const behind = generateTokens(session, cache, { ids: [[...prompt, ...ids.slice(0, 6)]] }, { maxTokens: 6 });
    for await (const { id } of behind) rest.push(id);
    expect(rest).toEqual(ids.slice(6, 12));
  }
  await session.close();
});

test('a picture is never guessed, and an answer that does not begin leaves the cache as it is', async () => {
  const model = await llavaInPlace();
  const session = await LanguageSession.open(model);
  const image = model.network.image?.token as number;
  const speculate: Speculator = { guess: () => [5, image, image] };
  const cache = session.start(1, 96);
  await session.step(cache, { ids: [prompt] });
  const stopped = generateTokens(session, cache, { ids: [[...prompt, 1]] }, { speculate, signal: AbortSignal.abort() });
  await expect(stopped.next()).rejects.toMatchObject({ code: 'aborted' });
  expect(cache.lengths).toEqual([prompt.length]);
  const options = { maxTokens: 8 };
  const plain = await generate(model, options);
  expect(await generate(model, { ...options, speculate })).toEqual(plain);
  await session.close();
});
