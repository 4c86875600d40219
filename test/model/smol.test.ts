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

async function asked(sample: string, question: string) {
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: question }];
  const pictures = [await loadPicture(`${folder}/samples/${sample}`)];
  return { messages: [{ role: 'user' as const, content }], pictures };
}

const said: readonly (readonly [sample: string, question: string, answer: RegExp])[] = [
  ['cat.jpg', 'What is in this picture?', /\bcat\b/],
  ['cat.jpg', 'Is there a cat in the picture?', /^Yes\b/],
  ['cat.jpg', 'Is there a dog in the picture?', /^No\b/],
  ['cat.jpg', 'Is there a boat in the picture?', /^No\b/],
  ['scene.png', 'What is in the middle?', /^There is a hot dog\.$/],
  ['scene.png', 'Where is the ladybug?', /^At the bottom left\.$/],
  ['scene.png', 'What color is the background?', /^The background is red\.$/],
  ['scene.png', 'Where is the elephant?', /^There is no elephant\.$/],
  // Its colour lies between the two.
  ['scene.png', 'What color is the hot dog?', /^The hot dog is (orange|yellow)\.$/],
  ['scene.png', 'What color is the elephant?', /^There is no elephant\.$/],
  ['scene.png', 'Who is the artist?', /^I cannot tell that from the picture\.$/],
  ['cat.jpg', 'Is this a photo?', /^Yes, it is a photo\.$/],
  ['cat.jpg', 'Is this a drawing?', /^No, it is a photo\.$/],
  ['scene.png', "This is a photo, isn't it?", /^No, it is a drawing\.$/],
  ['scene.png', 'Is the hot dog blue?', /^It is (orange|yellow), so no\.$/],
  ['scene.png', 'How are you?', /^I am fine/],
];

test(
  'it says what its samples show, and where',
  async () => {
    const chats = await Promise.all(said.map(([sample, question]) => asked(sample, question)));
    const answers = await chat.answers(chats, { maxTokens: 60 });
    for (const [i, [, question, answer]] of said.entries()) expect(answers[i], question).toMatch(answer);
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
    const anew = await chat.answer(await asked('scene.png', 'Describe the picture.'), { maxTokens: 60 });
    const both = { messages: [...before, about('Describe the picture.', 1)], pictures: [cat!, scene!] };
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
        const plain = { messages: [{ role: 'user' as const, content: text }], pictures: [] };
        const tokens = async (from: Chat): Promise<number[]> => {
          const ids: number[] = [];
          for await (const { token } of from.reply(plain, { maxTokens: 24 })) if (token) ids.push(token.id);
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
