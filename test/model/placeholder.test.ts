/** What stands for a picture in a chat is spelled as the model's tokenizer spells it. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, createProcessor, load, type Model } from '../../src/model/index.js';
import type { System } from '../../src/system/index.js';
import { engine, fixturePath } from '../fixture.js';
import { copyOfModel } from './models.js';

/** A fixture's model whose files say something else in a word's place. */
async function respelled(name: string, from: string, to: string, only = /\.(json|jinja)$/): Promise<Model<System>> {
  const folder = copyOfModel(name);
  for (const file of readdirSync(folder).filter((file) => only.test(file))) {
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(from, to));
  }
  const model = asSystem(await load(folder, { engine }));
  onTestFinished(() => model.close());
  return model;
}

const turn = {
  messages: [
    { role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: 'What?' }] },
  ],
  pictures: [await loadPicture(`${fixturePath('llava')}/media/two.png`)],
};

test.each(['llava', 'blip2-opt', 'smolvlm'])('%s: a placeholder by another name becomes the same ids', async (name) => {
  const [usual, other] = [await respelled(name, '', ''), await respelled(name, '<image>', '<|picture|>')];
  const [wanted, found] = [usual, other].map((model) => createProcessor(model).process([turn], { prompt: true }));
  expect(found?.input_ids).toEqual(wanted?.input_ids);
});

test('a chat whose template has another word than the tokenizer is told which id features stand at', async () => {
  const chat = await Chat.open(await respelled('llava', '<image>', '<|picture|>', /\.jinja$/));
  onTestFinished(() => chat.close());
  const answer = chat.reply(turn, { maxTokens: 1 });
  await expect(answer.next()).rejects.toThrow(
    /there are 0 image tokens for \d+ features of pictures\n.*the id 96 of config\.json/,
  );
});
