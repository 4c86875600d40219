/** The shipped model of published weights: what it says of its samples, and that it is the language model's own without pictures. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load, type Model } from '../../src/model/index.js';
import type { System } from '../../src/system/index.js';
import { engine } from '../fixture.js';

const folder = 'models/smol';

/** Its weights are packed first, which takes some seconds, or more where others work too. */
const patience = 300_000;

let model: Model<System>;
let chat: Chat;
beforeAll(async () => {
  model = asSystem(await load(folder, { engine }));
  chat = await Chat.open(model);
}, patience);
afterAll(async () => {
  await chat?.close();
  await model?.close();
});

async function ask(sample: string, question: string): Promise<string> {
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: question }];
  const pictures = [await loadPicture(`${folder}/samples/${sample}`)];
  return chat.answer({ messages: [{ role: 'user', content }], pictures }, { maxTokens: 60 });
}

test(
  'it says what its samples show, and where',
  async () => {
    expect(await ask('cat.jpg', 'What is in this picture?')).toMatch(/\bcat\b/);
    expect(await ask('cat.jpg', 'Is there a cat in the picture?')).toMatch(/^Yes\b/);
    expect(await ask('cat.jpg', 'Is there a dog in the picture?')).toMatch(/^No\b/);
    expect(await ask('cat.jpg', 'Is there a boat in the picture?')).toMatch(/^No\b/);
    expect(await ask('scene.png', 'What is in the middle?')).toBe('There is a hot dog.');
    expect(await ask('scene.png', 'Where is the ladybug?')).toBe('At the bottom left.');
    expect(await ask('scene.png', 'What color is the background?')).toBe('The background is red.');
  },
  patience,
);

test(
  'without a picture it answers as its language model does, token by token',
  async () => {
    const alone = asSystem(await load(`${folder}/SmolLM2-135M-Instruct.Q4_1-00001-of-00002.gguf`, { engine }));
    const base = await Chat.open(alone);
    try {
      for (const text of ['What is the capital of Italy?', 'Name three animals.']) {
        const asked = { messages: [{ role: 'user' as const, content: text }], pictures: [] };
        const tokens = async (from: Chat): Promise<number[]> => {
          const ids: number[] = [];
          for await (const { token } of from.reply(asked, { maxTokens: 24 })) if (token) ids.push(token.id);
          return ids;
        };
        expect(await tokens(chat)).toEqual(await tokens(base));
      }
    } finally {
      await base.close();
      await alone.close();
    }
  },
  patience,
);
