/** Conversations that begin alike, in one process and in another. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { loadPicture, type Picture } from '../../src/media/index.js';
import { Chat, type Model, type PicturedChat, restoreConversation, saveConversation } from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, zerosArray } from '../../src/tensor/index.js';
import { fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { changedModel, llavaInPlace, recorded, tokensRun } from './models.js';

const file = `${fixturePath('llava')}/media/two.png`;
const options = { maxTokens: 6, stopIds: [] };

function turn(text: string, pictures: readonly Picture[]): PicturedChat {
  const images = pictures.map(() => ({ type: 'image' as const }));
  return { messages: [{ role: 'user', content: [...images, { type: 'text', text }] }], pictures };
}

async function open(model: Model<System>): Promise<Chat> {
  const chat = await Chat.open(model);
  onTestFinished(() => chat.close());
  return chat;
}

const lengthOf = (chat: Chat, asked: PicturedChat): number =>
  (chat.processor.process([asked], { prompt: true }).input_ids as HostArray).shape[1] as number;

const engines: readonly (readonly [string, (by: Engine) => Engine])[] = [
  ['in place', (by) => by],
  ['growing', (by) => ({ ...by, inPlace: false })],
];

test.each(engines)('questions about one picture read it once, whichever is asked again (%s)', async (_, as) => {
  const { engine: recording, runs } = recorded();
  const model = await llavaInPlace(as(recording));
  const chat = await open(model);
  const picture = await loadPicture(file);
  const questions = ['How many birds?', 'Where is the tree?', 'How many birds?', 'Is there a dog?'];
  for (const [i, text] of questions.entries()) {
    // The same photograph, read from its file again each time.
    const asked = turn(text, [await loadPicture(file)]);
    runs.length = 0;
    const answer = await chat.answer(asked, options);
    if (i > 0) expect(tokensRun(runs)[0]).toBeLessThan(lengthOf(chat, asked) / 2);
    expect(answer).toBe(await (await open(model)).answer(turn(text, [picture]), options));
  }
  // What is asked again was computed already but for its last token.
  runs.length = 0;
  await chat.answer(turn('Where is the tree?', [picture]), options);
  expect(tokensRun(runs)[0]).toBe(1);
});

test('two forks go on from one conversation at the same time', async () => {
  const { engine: recording, runs } = recorded();
  const model = await llavaInPlace(recording);
  const chat = await open(model);
  const first = turn('What do you see?', [await loadPicture(file)]);
  const said = await chat.answer(first, options);
  const next = (text: string): PicturedChat => ({
    ...first,
    messages: [...first.messages, { role: 'assistant', content: said }, { role: 'user', content: text }],
  });
  runs.length = 0;
  const fork = chat.fork();
  const both = [next('How many?'), next('Which colour?')] as const;
  const answers = await Promise.all([chat.answer(both[0], options), fork.answer(both[1], options)]);
  // Nothing of the first question is read again.
  const most = Math.max(...both.map((asked) => lengthOf(chat, asked))) - lengthOf(chat, first) + options.maxTokens;
  for (const tokens of tokensRun(runs)) expect(tokens).toBeLessThanOrEqual(most);
  for (const [i, asked] of both.entries()) expect(answers[i]).toBe(await (await open(model)).answer(asked, options));
});

test('what takes much more room than it fills is held in less, and nowhere else', async () => {
  const model = await changedModel('llava', (config) => ({
    ...config,
    text_config: { ...(config.text_config as object), head_dim: 8, max_position_embeddings: 2048 },
  }));
  const chat = await open(model);
  for await (const _ of chat.reply(turn('What do you see?', []), { ...options, maxTokens: 1500 })) break;
  expect(chat.latest?.cache.capacity).toBe(512);
});

async function savedConversation() {
  const folder = temporaryFolder();
  const model = await llavaInPlace();
  const chat = await open(model);
  const asked = turn('What do you see?', [await loadPicture(file)]);
  const answer = await chat.answer(asked, options);
  const path = join(folder, 'conversation.safetensors');
  await saveConversation(chat, path);
  return { model, asked, answer, path, folder };
}

test.each(engines)('a conversation goes on in another process from its file (%s)', async (_, as) => {
  const { asked, path } = await savedConversation();
  const { engine: recording, runs } = recorded();
  const again = await open(await llavaInPlace(as(recording)));
  await restoreConversation(again, path);
  await again.answer(asked, options);
  expect(tokensRun(runs)[0]).toBe(1);
});

test('files that hold no conversation, or another model’s, are refused', async () => {
  const { path, folder } = await savedConversation();
  const chat = await open(await llavaInPlace());
  const other = join(folder, 'other.safetensors');
  await writeSafetensors(other, [['ids', zerosArray('i64', [3])]]);
  await expect(restoreConversation(chat, other)).rejects.toThrow('the file holds no conversation');
  writeFileSync(other, 'nothing');
  await expect(restoreConversation(chat, other)).rejects.toThrow();
  const deeper = await open(
    await changedModel('llava', (config) => ({
      ...config,
      text_config: { ...(config.text_config as object), head_dim: 8, num_hidden_layers: 3 },
    })),
  );
  await expect(restoreConversation(deeper, path)).rejects.toThrow('a conversation with another model than llava-1.5');
  await expect(saveConversation(chat, other)).rejects.toThrow('there is no conversation to save yet');
});

test('a file in which a byte was changed, and one cut off, are refused as damaged, wherever that is behind its beginning', async () => {
  const { model, path, folder } = await savedConversation();
  const chat = await open(model);
  const bytes = readFileSync(path);
  const other = join(folder, 'damaged.safetensors');
  const start = 8 + Number(bytes.readBigUInt64LE());
  const picture = bytes.indexOf('"pictures"') + 15;
  const syntax = bytes.indexOf('"pictures":');
  const changed = [0, 4, syntax, picture, start, Math.floor((start + bytes.length) / 2), bytes.length - 1].map(
    (place) => {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] as number) ^ 1;
      return damaged;
    },
  );
  for (const damaged of [...changed, bytes.subarray(0, start - 9), bytes.subarray(0, -1)]) {
    writeFileSync(other, damaged);
    await expect(restoreConversation(chat, other)).rejects.toMatchObject({ code: 'integrity', at: other });
  }
  writeFileSync(other, bytes);
  await restoreConversation(chat, other);
});
