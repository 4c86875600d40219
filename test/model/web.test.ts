/** Chats on the web engine, as where the native one cannot be loaded; and models from bytes, as in a browser. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import {
  asSystem,
  Chat,
  LanguageSession,
  load,
  loadFromBytes,
  type Model,
  type PicturedChat,
} from '../../src/model/index.js';
import { defaultEngine } from '../../src/runtime/index.js';
import { fixtureJson, fixturePath, engine as native } from '../fixture.js';
import { llavaInPlace } from './models.js';

const engine = await defaultEngine({ engine: 'web' });

/** The question of a fixture, and its picture. */
async function chatOf(name: string): Promise<PicturedChat> {
  const messages = fixtureJson(name, 'messages.json') as unknown as PicturedChat['messages'];
  return { messages, pictures: [await loadPicture(`${fixturePath(name)}/media/one.png`)] };
}

async function answerOf(model: Model, conversation: PicturedChat): Promise<string> {
  const chat = await Chat.open(asSystem(model));
  const text = await chat.answer(conversation, { maxTokens: 16 });
  await chat.close();
  await model.close();
  return text;
}

/** The files of a folder in memory. */
function filesIn(folder: string): Map<string, Uint8Array> {
  return new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(`${folder}/${name}`))]));
}

test.each(['llava', 'smolvlm', 'janus'])('%s answers on the web engine as its reference does', async (name) => {
  const model = await load(`${fixturePath(name)}/model`, { engine });
  expect(model.engine.name).toBe('web');
  expect(await answerOf(model, await chatOf(name))).toBe(fixtureJson(name, 'expected.json').answer_text);
});

test.each(['llava', 'smolvlm'])('%s from bytes answers as from its folder', async (name) => {
  const model = await loadFromBytes(filesIn(`${fixturePath(name)}/model`), { engine });
  expect(await answerOf(model, await chatOf(name))).toBe(fixtureJson(name, 'expected.json').answer_text);
});

test('a cache that native holds in place grows on the web engine, and the answer is the same', async () => {
  const places = async (by: typeof engine): Promise<number[]> => {
    const session = await LanguageSession.open(await llavaInPlace(by));
    const cache = session.start(1, 64);
    await session.step(cache, { ids: [[1, 2, 3]] });
    await session.close();
    return Object.values(cache.arrays).map(({ shape }) => shape[2] as number);
  };
  expect(new Set(await places(native))).toEqual(new Set([64]));
  expect(new Set(await places(engine))).toEqual(new Set([3]));
  const chat = await chatOf('llava');
  expect(await answerOf(await llavaInPlace(engine), chat)).toBe(await answerOf(await llavaInPlace(native), chat));
});

test('a signal that fires while the web engine answers ends the answer', async () => {
  const model = asSystem(await load(`${fixturePath('llava')}/model`, { engine }));
  const chat = await Chat.open(model);
  const controller = new AbortController();
  let tokens = 0;
  const answer = async (): Promise<void> => {
    for await (const _ of chat.reply(await chatOf('llava'), { maxTokens: 64, signal: controller.signal })) {
      if (tokens++ === 0) setImmediate(() => controller.abort());
    }
  };
  await expect(answer()).rejects.toMatchObject({ code: 'aborted' });
  expect(tokens).toBeLessThan(16);
  await chat.close();
  await model.close();
});
