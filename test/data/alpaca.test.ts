import { expect, test } from 'vitest';
import { readInstruction } from '../../src/data/alpaca.js';
import { fields } from '../../src/tensor/index.js';

const read = (record: Readonly<Record<string, unknown>>) => readInstruction(fields(record, 'a.jsonl:1'));
const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

test('the user says the instruction and, behind a blank line, the input where there is one', () => {
  expect(read({ instruction: 'Say cat.', input: '', output: 'cat' }).messages).toEqual([
    user('Say cat.'),
    assistant('cat'),
  ]);
  const record = { instruction: 'Translate.', input: 'A cat.', output: 'Eine Katze.', text: 'all of it' };
  expect(read(record).messages[0]).toEqual(user('Translate.\n\nA cat.'));
});

test('a system prompt and earlier exchanges stand before it', () => {
  const record = { system: 'Be brief.', instruction: 'A dog?', output: 'Hund', history: [['A cat?', 'Katze']] };
  expect(read(record).messages).toEqual([
    ...[{ role: 'system', content: 'Be brief.' }, user('A cat?'), assistant('Katze')],
    ...[user('A dog?'), assistant('Hund')],
  ]);
  expect(() => read({ ...record, history: ['A cat?'] })).toThrow('a.jsonl:1: history: expected pairs');
  expect(() => read({ instruction: 'A dog?' })).toThrow('a.jsonl:1: an instruction without an output');
});
