/** Records of preferred and rated answers and of prompts, in the forms that TRL reads. */
import { expect, onTestFinished, test } from 'vitest';
import { openDataset, type Sample } from '../../src/data/index.js';
import { temporaryFile } from '../temporary.js';

async function read(record: unknown): Promise<Sample> {
  const dataset = await openDataset(temporaryFile('records.jsonl', `${JSON.stringify(record)}\n`));
  onTestFinished(() => dataset.close());
  return dataset.read(0);
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const cat = { messages: [assistant('A cat.')], good: true };
const dog = { messages: [assistant('A dog.')], good: false };

test.each<[string, object]>([
  ['texts', { prompt: 'What?', chosen: 'A cat.', rejected: 'A dog.' }],
  ['messages', { prompt: [user('What?')], chosen: [assistant('A cat.')], rejected: [assistant('A dog.')] }],
  ['messages under their own name', { messages: [user('What?')], chosen: 'A cat.', rejected: [assistant('A dog.')] }],
  [
    'whole conversations',
    { chosen: [user('What?'), assistant('A cat.')], rejected: [user('What?'), assistant('A dog.')] },
  ],
])('a pair in %s is a prompt and two answers', async (_, record) => {
  const { messages, answers } = await read(record);
  expect(messages).toEqual([user('What?')]);
  expect(answers).toEqual([cat, dog]);
});

test('whole conversations part where they differ, in front of the answer', async () => {
  const before = [user('Hi'), assistant('Hello.'), user('What?')];
  const { messages, answers } = await read({
    chosen: [...before, assistant('A cat.')],
    rejected: [...before, assistant('A dog.')],
  });
  expect(messages).toEqual(before);
  expect(answers).toEqual([cat, dog]);
});

test.each([
  [true, cat],
  [1, cat],
  [false, { ...cat, good: false }],
  [0, { ...cat, good: false }],
])('an answer labelled %j is good or bad', async (label, answer) => {
  const { messages, answers } = await read({ prompt: 'What?', completion: 'A cat.', label });
  expect(messages).toEqual([user('What?')]);
  expect(answers).toEqual([answer]);
});

test('an answer without a label is to be learnt', async () => {
  const { messages, answers } = await read({ prompt: 'What?', completion: 'A cat.' });
  expect(messages).toEqual([user('What?'), assistant('A cat.')]);
  expect(answers).toBeUndefined();
});

test('a prompt alone keeps what its record says', async () => {
  const record = { prompt: 'What?', solution: 'cat' };
  const { messages, answers, record: kept } = await read(record);
  expect(messages).toEqual([user('What?')]);
  expect(answers).toBeUndefined();
  expect(kept).toEqual(record);
});

test('pictures stand in the prompt of a pair', async () => {
  const { messages, pictures } = await read({
    images: ['cat.png'],
    prompt: '<image>What?',
    chosen: 'A cat.',
    rejected: 'A dog.',
  });
  expect(messages).toEqual([{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What?' }] }]);
  expect(pictures).toHaveLength(1);
});

test.each<[object, RegExp]>([
  [{ prompt: 'What?', chosen: 'A cat.' }, /records\.jsonl:1: a chosen answer without a rejected one/],
  [{ chosen: 'A cat.', rejected: 'A dog.' }, /records\.jsonl:1: chosen: a text needs a "prompt"/],
  [{ chosen: [user('A?')], rejected: [user('B?')] }, /no beginning in common/],
  [{ completion: 'A cat.', label: true }, /a completion without a prompt/],
  [{ prompt: 'What?', completion: 'A cat.', label: 'yes' }, /label: expected true or false, got "yes"/],
  [
    { prompt: 'What?', chosen: [user('A cat.')], rejected: 'A dog.' },
    /chosen: expected messages that end with the assistant's/,
  ],
])('%j says what is wrong', async (record, message) => {
  await expect(read(record)).rejects.toThrow(message);
});
