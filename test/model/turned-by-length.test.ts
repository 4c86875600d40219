/**
 * Models whose keys are turned by the length of what is read with them: what is remembered, guessed, saved or answered
 * together changes no answer.
 */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  asSystem,
  Chat,
  draftModel,
  LanguageSession,
  load,
  type Model,
  type PicturedChat,
  promptLookup,
  type ReplyOptions,
  restoreConversation,
  saveConversation,
} from '../../src/model/index.js';
import type { System } from '../../src/system/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { fixturePath } from '../fixture.js';
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
