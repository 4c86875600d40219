/**
 * Models whose keys are turned by the length of what is read with them: what is remembered, guessed, saved or answered
 * together changes no answer.
 */
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  asSystem,
  Chat,
  draftModel,
  generateTokens,
  LanguageSession,
  load,
  type Model,
  type PicturedChat,
  promptLookup,
  type ReplyOptions,
  restoreConversation,
  saveConversation,
} from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { recorded, tokensRun } from './models.js';

const asked = (...said: string[]): PicturedChat => ({
  messages: said.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
  pictures: [],
});
// Trained lengths are 26 and 24 tokens.
const short = asked('the dog is');
const long = asked('the dog is the dog is the dog is in the picture of a small boat and a dog');
const writing = { maxTokens: 14, stopIds: [] };

async function open(model: Model<System>): Promise<Chat> {
  const chat = await Chat.open(model);
  onTestFinished(() => chat.close());
  return chat;
}

async function idsOf(chat: Chat, question: PicturedChat, options: ReplyOptions = writing): Promise<number[]> {
  const ids: number[] = [];
  for await (const { token } of chat.reply(question, options)) if (token) ids.push(token.id);
  return ids;
}

const models = ['phi3', 'llama-dynamic'].flatMap((name) => [[name, 'in place'] as const, [name, 'growing'] as const]);

async function loaded(name: string, cache: string) {
  const { engine, runs } = recorded();
  const by = cache === 'growing' ? { ...engine, inPlace: false } : engine;
  const model = asSystem(await load(`${fixturePath(name)}/model`, { engine: by }));
  onTestFinished(() => model.close());
  return { model, runs };
}

test.each(models)('conversations go on as new ones would begin (%s, %s)', async (name, cache) => {
  const { model, runs } = await loaded(name, cache);
  const said = await (await open(model)).answer(short, writing);
  const next = asked('the dog is', said, 'is it the dog? what is the picture');
  for (const questions of [
    [short, long],
    [long, short],
    [short, next],
  ] as const) {
    const chat = await open(model);
    for (const question of questions)
      expect(await idsOf(chat, question)).toEqual(await idsOf(await open(model), question));
  }
  // Within the trained length what begins alike is read once.
  const chat = await open(model);
  const lengthOf = (question: PicturedChat): number =>
    (chat.processor.process([question], { prompt: true }).input_ids as HostArray).shape[1] as number;
  const [one, other] = [asked('a dog'), asked('a cat')];
  expect(lengthOf(one) + 2).toBeLessThan(24);
  await idsOf(chat, one, { ...writing, maxTokens: 2 });
  runs.length = 0;
  await idsOf(chat, other, { ...writing, maxTokens: 2 });
  expect(tokensRun(runs)[0]).toBeLessThan(lengthOf(other));
});

test.each(models)('guesses change no token (%s, %s)', async (name, cache) => {
  const { model } = await loaded(name, cache);
  const draft = await LanguageSession.open(model);
  onTestFinished(() => draft.close());
  for (const question of [short, asked('x'), long]) {
    const wanted = await idsOf(await open(model), question, { ...writing, maxTokens: 30 });
    for (const speculate of [promptLookup(), draftModel(draft, { tokens: 1 }), draftModel(draft, { tokens: 5 })]) {
      const found = await idsOf(await open(model), question, { ...writing, maxTokens: 30, speculate });
      expect(found).toEqual(wanted);
    }
  }
});

test('what may be guessed is found without a walk through all that the cache has room for', async () => {
  const { model } = await loaded('llama-dynamic', 'in place');
  const asking = vi.spyOn(LanguageSession.prototype, 'anglesBy');
  onTestFinished(() => asking.mockRestore());
  const session = await LanguageSession.open(model);
  onTestFinished(() => session.close());
  const options = { maxTokens: 400, speculate: { guess: () => [1, 2] } };
  // Within the trained length, and beyond it.
  for (const length of [5, 30]) {
    const prompts = { ids: [Array.from({ length }, (_, i) => i % 7)] };
    asking.mockClear();
    let heard = 0;
    for await (const _ of generateTokens(session, session.start(1, 500), prompts, options)) if (++heard === 8) break;
    expect(asking.mock.calls.length).toBeLessThan(100);
  }
});

test.each(models)('rows of a batch are what they are alone, greedy and drawn (%s, %s)', async (name, cache) => {
  const { model } = await loaded(name, cache);
  const chat = await open(model);
  expect(await chat.answers([short, long], writing)).toEqual([
    await (await open(model)).answer(short, writing),
    await (await open(model)).answer(long, writing),
  ]);
  const drawing = { ...writing, temperature: 1.5, seed: 4 };
  expect(await chat.answers([short, long], drawing)).toEqual([
    await (await open(model)).answer(short, drawing),
    await (await open(model)).answer(long, { ...drawing, firstRow: 1 }),
  ]);
});

test.each(models)('rows that stay within the trained length are answered together (%s, %s)', async (name, cache) => {
  const { model, runs } = await loaded(name, cache);
  const chat = await open(model);
  const few = { ...writing, maxTokens: 2 };
  const [one, other] = [asked('a dog'), asked('a cat')];
  runs.length = 0;
  const found = await chat.answers([one, other], few);
  expect(runs.map(({ feeds }) => feeds.ids?.shape[0])).toContain(2);
  expect(found).toEqual([await (await open(model)).answer(one, few), await (await open(model)).answer(other, few)]);
});

/** The likeliest tokens behind others, each by a new reading of all before it. */
async function byReadingAll(session: LanguageSession, ids: readonly number[], count: number): Promise<number[]> {
  const all = [...ids];
  for (let i = 0; i < count; i++) {
    const scores = toNumbers(await session.step(session.start(1, all.length), { ids: [all] }));
    all.push(scores.indexOf(Math.max(...scores)));
  }
  return all.slice(ids.length);
}

test.each(['in place', 'growing'])('rows are read again together, those that have ended too (%s)', async (cache) => {
  const { model } = await loaded('phi3', cache);
  const session = await LanguageSession.open(model);
  onTestFinished(() => session.close());
  const promptOf = (length: number): number[] => Array.from({ length }, (_, i) => 3 + ((i * i + length) % 11));
  const prompts = [promptOf(18), promptOf(16)] as const;
  const crossing = await byReadingAll(session, prompts[0], 14);
  const ending = await byReadingAll(session, prompts[1], 6);
  // The second row has ended where the first crosses the trained length.
  const stop = ending.find((id) => !crossing.includes(id)) as number;
  const wanted = [crossing, ending.slice(0, ending.indexOf(stop) + 1)];
  const rows: number[][] = prompts.map(() => []);
  const restart = vi.spyOn(session, 'restart');
  const options = { maxTokens: 14, stopIds: [stop] };
  for await (const { row, id } of generateTokens(session, session.start(2, 64), { ids: prompts }, options))
    rows[row]?.push(id);
  expect(restart).toHaveBeenCalledTimes(1);
  expect(rows).toEqual(wanted);
});

test.each(['in place', 'growing'])(
  'an answer that is stopped while all is read again leaves no trace (%s)',
  async (by) => {
    const stop = new AbortController();
    let hears = false;
    const stopping: Engine = {
      ...engine,
      ...(by === 'growing' ? { inPlace: false } : {}),
      async createSession(built, options) {
        const session = await engine.createSession(built, options);
        return {
          ...{ inputs: session.inputs, outputs: session.outputs, close: () => session.close() },
          run(feeds, settings) {
            // What is new of the conversation is a single token.
            if (hears && (feeds.ids?.shape[1] as number) > 1) stop.abort();
            return session.run(feeds, settings);
          },
        };
      },
    };
    const model = asSystem(await load(`${fixturePath('phi3')}/model`, { engine: stopping }));
    onTestFinished(() => model.close());
    const chat = await open(model);
    await idsOf(chat, short, { ...writing, maxTokens: 2 });
    hears = true;
    const options = { ...writing, maxTokens: 30, signal: stop.signal };
    const heard: string[] = [];
    const stopped = async () => {
      for await (const { text } of chat.reply(short, options)) heard.push(text);
    };
    await expect(stopped()).rejects.toMatchObject({ code: 'aborted' });
    expect(heard.length).toBeGreaterThan(0);
    hears = false;
    for (const question of [short, long])
      expect(await idsOf(chat, question)).toEqual(await idsOf(await open(model), question));
  },
);

test.each(models)('a conversation that was saved goes on as a new one would begin (%s, %s)', async (name, cache) => {
  const { model } = await loaded(name, cache);
  const chat = await open(model);
  const said = await chat.answer(short, { ...writing, maxTokens: 2 });
  const file = join(temporaryFolder(), 'conversation.safetensors');
  await saveConversation(chat, file);
  for (const rest of ['a', 'is it the dog? what is the picture']) {
    const restored = await open(model);
    await restoreConversation(restored, file);
    const next = asked('the dog is', said, rest);
    expect(await idsOf(restored, next)).toEqual(await idsOf(await open(model), next));
  }
});
