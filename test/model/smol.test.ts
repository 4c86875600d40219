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
    expect(await ask('scene.png', 'Where is the elephant?')).toBe('There is no elephant.');
    // Its colour lies between the two.
    expect(await ask('scene.png', 'What color is the hot dog?')).toMatch(/^The hot dog is (orange|yellow)\.$/);
    expect(await ask('scene.png', 'What color is the elephant?')).toBe('There is no elephant.');
    expect(await ask('scene.png', 'Who is the artist?')).toBe('I cannot tell that from the picture.');
    expect(await ask('cat.jpg', 'Is this a photo?')).toBe('Yes, it is a photo.');
    expect(await ask('cat.jpg', 'Is this a drawing?')).toBe('No, it is a photo.');
    expect(await ask('scene.png', "This is a photo, isn't it?")).toBe('No, it is a drawing.');
    expect(await ask('scene.png', 'Is the hot dog blue?')).toMatch(/^It is (orange|yellow), so no\.$/);
    expect(await ask('scene.png', 'How are you?')).toMatch(/^I am fine/);
  },
  patience,
);

test(
  'of several pictures it sees the newest, and of several at once none',
  async () => {
    const [cat, scene] = await Promise.all(
      ['cat.jpg', 'scene.png'].map((file) => loadPicture(`${folder}/samples/${file}`)),
    );
    const about = (text: string, images: number) => {
      const places = Array.from({ length: images }, () => ({ type: 'image' as const }));
      return { role: 'user' as const, content: [...places, { type: 'text' as const, text }] };
    };
    const before = [about('What is this?', 1), { role: 'assistant' as const, content: 'A photo of a cat.' }];
    const asked = about('Describe the picture.', 1);
    const anew = await ask('scene.png', 'Describe the picture.');
    const both = { messages: [...before, asked], pictures: [cat!, scene!] };
    expect(await chat.answer(both, { maxTokens: 60 })).toBe(anew);
    expect(await chat.answers([both], { maxTokens: 60 })).toEqual([anew]);
    const atOnce = { messages: [about('Describe the pictures.', 2)], pictures: [cat!, scene!] };
    await expect(chat.answer(atOnce)).rejects.toThrow(/message 1: it looks at one picture at a time/);
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
