/** The model that was trained from nothing: what it says of its samples, by its own weights. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load, type Model } from '../../src/model/index.js';
import type { System } from '../../src/system/index.js';
import type { Message } from '../../src/text/messages.js';
import { engine } from '../fixture.js';

const folder = 'models/nano';

let model: Model<System>;
let chat: Chat;
beforeAll(async () => {
  model = asSystem(await load(folder, { engine }));
  chat = await Chat.open(model);
}, 60_000);
afterAll(async () => {
  await chat?.close();
  await model?.close();
});

/** Answers to questions that are asked one after another about one picture. */
async function converse(sample: string, questions: readonly string[]): Promise<string[]> {
  const pictures = [await loadPicture(`${folder}/samples/${sample}`)];
  const messages: Message[] = [];
  for (const text of questions) {
    const pictured = messages.length === 0 ? [{ type: 'image' as const }] : [];
    messages.push({ role: 'user', content: [...pictured, { type: 'text', text }] });
    const said = await chat.answer({ messages, pictures }, { maxTokens: 60 });
    messages.push({ role: 'assistant', content: [{ type: 'text', text: said }] });
  }
  return messages.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content.map((part) => ('text' in part ? part.text : '')) : [],
  );
}

test('it names what is in single pictures, and describes them', async () => {
  expect(await converse('turtle.png', ['What is this?', 'Describe the picture.', 'List everything.'])).toEqual([
    'A turtle.',
    'A turtle on a grey background.',
    'A turtle.',
  ]);
  const asked = ['What color is the background?', 'What colour is the background?', 'How many things are there?'];
  expect(await converse('chick.png', asked)).toEqual(['Red.', 'Red.', 'One.']);
});

test('further questions about a scene are answered by the picture', async () => {
  const questions = [
    'How many things are there?',
    'What is at the top left?',
    'What is at the bottom?',
    'What is at the bottom left?',
    'Where is the dog?',
  ];
  const answers = ['Four.', 'A guitar.', 'A dog.', 'Nothing.', 'At the bottom.', 'At the bottom, yes.', 'Nowhere, no.'];
  expect(await converse('scene.png', [...questions, 'Is there a dog?', 'Is there a cat?'])).toEqual(answers);
});

test('of two pictures in a conversation it sees the newer one', async () => {
  const pictures = await Promise.all(['chick', 'turtle'].map((name) => loadPicture(`${folder}/samples/${name}.png`)));
  const asked = (text: string): Message => ({ role: 'user', content: [{ type: 'image' }, { type: 'text', text }] });
  const messages: Message[] = [
    asked('What is this?'),
    { role: 'assistant', content: 'A chick.' },
    asked('What is this?'),
  ];
  expect(await chat.answer({ messages, pictures }, { maxTokens: 60 })).toBe('A turtle.');
});
