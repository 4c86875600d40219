/** Answers of a wanted form from whole models: valid whatever the model would rather say, and by its own scores. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, onTestFinished, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load, promptLookup, type ReplyOptions } from '../../src/model/index.js';
import { type ConstraintSpec, constrain } from '../../src/text/index.js';
import { blocksOf, printedBy } from '../example.js';
import { engine, fixturePath } from '../fixture.js';

const nano = new URL('../../models/nano', import.meta.url).pathname;

async function open(path: string): Promise<Chat> {
  const model = asSystem(await load(path, { engine }));
  onTestFinished(() => model.close());
  const chat = await Chat.open(model);
  onTestFinished(() => chat.close());
  return chat;
}

const turn = { messages: [{ role: 'user' as const, content: 'What do you see?' }], pictures: [] };

async function reply(chat: Chat, options: ReplyOptions) {
  const pieces: string[] = [];
  const tokens: { readonly id: number; readonly ranking: readonly number[] }[] = [];
  let end: string | undefined;
  for await (const piece of chat.reply(turn, options)) {
    pieces.push(piece.text);
    if (piece.token) tokens.push({ id: piece.token.id, ranking: piece.token.top.map(({ id }) => id) });
    end = piece.end;
  }
  return { pieces, text: pieces.join(''), tokens, end };
}

const schema = {
  type: 'object',
  properties: {
    things: { type: 'array', items: { enum: ['bird', 'tree', '🎉 é'] }, maxItems: 2 },
    count: { type: 'integer', minimum: 0, maximum: 99 },
    said: { type: ['string', 'null'], maxLength: 5 },
  },
  required: ['things', 'count'],
  additionalProperties: false,
};
const validate = new Ajv2020().compile(schema);

test.each([
  ['llama', `${fixturePath('llama')}/model`],
  ['nano', nano],
])('%s: every whole answer is valid JSON, drawn or not, in pieces of whole characters', async (_, path) => {
  const chat = await open(path);
  const vocab = chat.processor.tokenizer.size;
  const { stopIds = [] } = chat.defaults();
  let whole = 0;
  for (const options of [{}, ...[1, 2, 3, 4].map((seed) => ({ temperature: 2, seed }))]) {
    const given = await reply(chat, { maxTokens: 90, logprobs: vocab, constrain: { json: schema }, ...options });
    expect(given.pieces.join('|')).not.toContain('\ufffd');
    const constraint = constrain({ json: schema }, chat.processor.tokenizer, stopIds)();
    for (const { id, ranking } of given.tokens) {
      const mask = constraint.allowed();
      const isAllowed = (each: number): boolean => (((mask[each >> 5] ?? 0) >>> (each & 31)) & 1) === 1;
      // Without draws, the likeliest of the model's own ranking that is allowed.
      expect(isAllowed(id)).toBe(true);
      if (!('seed' in options)) expect(id).toBe(ranking.find(isAllowed));
      if (!stopIds.includes(id)) constraint.accept(id);
    }
    if (given.end === 'length') expect(given.tokens.length).toBe(90);
    else {
      whole++;
      expect([given.text, validate(JSON.parse(given.text))]).toEqual([given.text, true]);
    }
  }
  expect(whole).toBeGreaterThan(2);
});

test('what the form asks for may come twice though no token may otherwise', async () => {
  const chat = await open(`${fixturePath('llama')}/model`);
  const form: ReplyOptions = { constrain: { regex: '(ab){9}[d-z]{12}' }, noRepeatNgram: 1, presencePenalty: 1 };
  const { text } = await reply(chat, form);
  expect(text).toMatch(/^(ab){9}[d-z]{12}$/);
  expect((await reply(chat, { ...form, temperature: 1.5 })).text).toMatch(/^(ab){9}[d-z]{12}$/);
  expect((await reply(chat, { ...form, speculate: promptLookup() })).text).toBe(text);
});

test('guesses change nothing, and rows of a batch are held each to its own answer', async () => {
  const chat = await open(`${fixturePath('llama')}/model`);
  const form: ReplyOptions = { constrain: { regex: '(ab){3,9}c|[d-z ]{5,30}' }, maxTokens: 40 };
  const plain = await reply(chat, form);
  expect(plain.text).toMatch(/^((ab){3,9}c|[d-z ]{5,30})$/);
  expect((await reply(chat, { ...form, speculate: promptLookup() })).text).toBe(plain.text);
  const other = { messages: [{ role: 'user' as const, content: 'Something else entirely' }], pictures: [] };
  const [first, second] = await chat.answers([turn, other], form);
  expect([first, second]).toEqual([plain.text, await chat.answer(other, form)]);
});

test('the embedded model chooses among answers by what it sees', async () => {
  const chat = await open(nano);
  const ask = async (picture: string, choices: readonly string[]): Promise<string> => {
    const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'How many things are there?' }];
    const pictures = [await loadPicture(`${nano}/samples/${picture}`)];
    return chat.answer({ messages: [{ role: 'user', content }], pictures }, { constrain: { choices } });
  };
  // What it says by itself is "Four.", as the README shows.
  expect(await ask('scene.png', ['One.', 'Two.', 'Four.', 'Nine.'])).toBe('Four.');
  expect(['One.', 'Two.', 'Nine.']).toContain(await ask('scene.png', ['One.', 'Two.', 'Nine.']));
});

test('an answer that is cut short is said to be, and one that is whole ends by itself', async () => {
  const chat = await open(`${fixturePath('llama')}/model`);
  const cut = await reply(chat, { maxTokens: 3, constrain: { json: schema } });
  expect([cut.end, cut.tokens.length]).toEqual(['length', 3]);
  const form = { maxTokens: 3, constrain: { json: schema } };
  await expect(chat.answer(turn, form)).rejects.toMatchObject({
    code: 'limit',
    message: expect.stringContaining('the answer was cut before'),
  });
  await expect(chat.answers([turn, turn], form)).rejects.toThrow('answer 1 of 2 was cut before it had the form');
  const whole = await reply(chat, { maxTokens: 30, stopIds: [], constrain: { choices: ['a bird'] } });
  expect([whole.text, whole.end]).toEqual(['a bird', 'stop']);
  // It might go on, and is what it has to be.
  const longer = { maxTokens: 3, stopIds: [], constrain: { regex: '[a-z ]{1,80}' } };
  expect(await chat.answer(turn, longer)).toMatch(/^[a-z ]{1,80}$/);
  expect((await reply(chat, longer)).end).toBe('stop');
});

test('what an answer cannot be held to is an error before anything is computed', async () => {
  const chat = await open(`${fixturePath('llama')}/model`);
  for (const [form, code] of [
    [{ json: { type: 'array', contains: {} } }, 'constraint'],
    [{ regex: '(' }, 'constraint'],
    [{ choices: [] }, 'constraint'],
    [{ json: { type: 3 } }, 'config'],
    [{ json: { $ref: '#/none' } }, 'config'],
    [{}, 'config'],
    [null, 'config'],
    [{ jsonn: {} }, 'config'],
    [{ regex: 5 }, 'config'],
    [{ choices: 'ab' }, 'config'],
    [{ regex: 'a', choices: ['a'] }, 'config'],
    [{ regex: 'a', spacing: 'compact' }, 'config'],
    [{ json: true, spacing: 'none' }, 'config'],
    [{ json: true, spacing: null }, 'config'],
  ] as [ConstraintSpec, string][])
    await expect(reply(chat, { constrain: form })).rejects.toMatchObject({ name: 'QuintetError', code });
  await expect(reply(chat, { constrain: { regex: 'a' }, stop: ['b'] })).rejects.toMatchObject({ code: 'constraint' });
});

test('the page shows a schema with its answer, and code that answers in three forms', { timeout: 120_000 }, () => {
  const page = readFileSync(new URL('../../docs/structured-output.md', import.meta.url), 'utf8');
  const [shown, answer] = blocksOf(page, 'json').map((text) => JSON.parse(text) as object);
  expect(new Ajv2020({ strict: false }).compile(shown as object)(answer)).toBe(true);
  const [choice, word, ...json] = printedBy(blocksOf(page, 'ts')[0] as string);
  expect(choice).toBe('Four.');
  expect(word).toMatch(/^[A-Z][a-z]{2,5}\.$/);
  expect(JSON.parse(json.join('\n'))).toEqual({ count: expect.any(Number) });
});
