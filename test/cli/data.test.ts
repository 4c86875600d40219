import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkData, type DataCommandOptions } from '../../src/cli/data.js';
import { fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { captured, here, quintet } from './cli.js';

const model = join(fixturePath('llava'), 'model');

/** A file of chats, two of which can be learnt from, beside the pictures of a fixture. */
function chats(): { readonly folder: string; readonly file: string } {
  const folder = temporaryFolder();
  cpSync(join(fixturePath('llava'), 'media'), folder, { recursive: true });
  const chat = (content: unknown, answer = 'a tall tree') => ({
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: answer },
    ],
  });
  const picture = (path: string) =>
    chat([
      { type: 'image', path },
      { type: 'text', text: 'What do you see?' },
    ]);
  const lines = [
    picture('one.png'),
    picture('missing.png'),
    picture('chats.jsonl'),
    { messages: [{ role: 'user', content: 'hello' }] },
    { messages: [{ role: 'bot', content: 'hello' }] },
    chat('How many birds?', 'two birds'),
  ];
  const file = join(folder, 'chats.jsonl');
  writeFileSync(file, jsonLines(lines));
  return { folder, file };
}

test('data check names each sample that cannot be used, with what is wrong, and counts the tokens of the others', async () => {
  const { folder, file } = chats();
  const { code, stdout } = await quintet(['data', 'check', file, '--model', model, '--longest', '45']);
  expect(code).toBe(1);
  const lines = stdout.replaceAll(`${folder}/`, '').split('\n');
  expect(lines).toContain('samples   6, of which 5 cannot be used');
  expect(lines).toContain('chats.jsonl:2: missing.png: no such picture');
  expect(lines).toContainEqual(expect.stringMatching(/^chats\.jsonl:3: .*not a PNG, JPEG, WebP or GIF picture/));
  expect(lines).toContain('chats.jsonl:4: no answer to learn');
  expect(lines).toContainEqual(expect.stringMatching(/^chats\.jsonl:5: messages\[0\]\.role: expected one of/));
  // The first is longer than 45 tokens and loses its answer: it can be used no more.
  expect(lines).toContainEqual(
    expect.stringMatching(/^chats\.jsonl:1: no answer to learn in its first 45 of 58 tokens/),
  );
});

test('data check with a model that takes no pictures counts samples that have some among those that cannot be used', async () => {
  const { folder, file } = chats();
  const { code, stdout } = await quintet(['data', 'check', file, '--model', join(fixturePath('llama'), 'model')]);
  expect(code).toBe(1);
  const lines = stdout.replaceAll(`${folder}/`, '').split('\n');
  expect(lines).toContain('samples   6, of which 5 cannot be used');
  for (const line of [1, 2, 3]) expect(lines).toContain(`chats.jsonl:${line}: this model takes no pictures`);
  expect(lines).toContain('chats.jsonl:4: no answer to learn');
});

test('data check sums up several files of any format as JSON', async () => {
  const file = join(fixturePath('data'), 'shard-{000..001}.tar');
  const parquet = join(fixturePath('data'), 'zstd.parquet');
  const { code, stdout } = await quintet(['data', 'check', file, parquet, '--model', model, '--json']);
  expect(code).toBe(0);
  const [tar, rows] = JSON.parse(stdout) as Record<string, unknown>[];
  expect(tar).toMatchObject({ path: file, samples: 6, bad: 0, answers: 6, pictures: 6, problems: [] });
  expect(rows).toMatchObject({ path: parquet, samples: 6, bad: 0, answers: 12, pictures: 9, problems: [] });
  const { total, quantiles } = (rows as Record<string, unknown>).tokens as {
    total: number;
    quantiles: { part: number; length: number }[];
  };
  const [shortest, ...others] = quantiles.map(({ length }) => length);
  expect(others).toEqual(others.toSorted((a, b) => a - b));
  expect(total).toBeGreaterThan(6 * (shortest as number));
});

test('without a model, samples are read and pictures decoded', async () => {
  const { folder, file } = chats();
  const { code, stdout } = await quintet(['data', 'check', file]);
  expect(code).toBe(1);
  expect(stdout.replaceAll(`${folder}/`, '')).toContain('chats.jsonl:2: missing.png: no such picture');
  expect(stdout).toContain('samples   6, of which 4 cannot be used');
});

test('answers that are compared are each looked at, behind what they answer', async () => {
  const { folder } = chats();
  const file = join(folder, 'pairs.jsonl');
  const pair = { prompt: 'How many birds?', chosen: 'two', rejected: 'one bird' };
  writeFileSync(file, `${JSON.stringify(pair)}\n{"prompt": "Why?"}\n`);
  const { code, stdout } = await quintet(['data', 'check', file, '--model', model, '--json']);
  expect(code).toBe(0);
  const [{ tokens, ...summary }] = JSON.parse(stdout) as [{ tokens: Record<string, unknown>; answers: number }];
  expect(summary).toMatchObject({ samples: 2, bad: 0, answers: 2 });
  expect(tokens).toMatchObject({ conversations: 3 });
  const shown = (await here(['data', 'show', file, '0', '--model', model])).stdout;
  expect(shown.match(/«.*?»/g)).toEqual(['«two</s>»', '« and »', '«one bird</s>»', '« and »']);
  expect((await here(['data', 'show', file, '0'])).stdout).toMatch(
    /good:\nassistant: two\n\nbad:\nassistant: one bird/,
  );
});

test('data show prints a sample as it is trained on, what is learnt between marks', async () => {
  const { folder, file } = chats();
  const { stdout } = await here(['data', 'show', file, '0', '--model', model]);
  expect(stdout.replaceAll(`${folder}/`, '')).toBe(
    'chats.jsonl:1\npicture 1: one.png\n\n' +
      '<s> USER: <image>×17 \nWhat do you see? ASSISTANT:«a tall tree</s>»\n\n' +
      '58 tokens, of which 9 are learnt: those between « and »\n',
  );
  expect((await here(['data', 'show', file, '5'])).stdout).toMatch(
    /\n\nuser: How many birds\?\nassistant: two birds\n$/,
  );
  const beyond = await here(['data', 'show', file, '6']);
  expect([beyond.code, beyond.stderr]).toEqual([2, `error: ${file} has 6 samples, counted from 0\n`]);
});

/** Checks records without a model; paths are left out of what is told. */
async function checked(records: readonly object[], options: DataCommandOptions = {}) {
  let failed = 0;
  const file = temporaryFile('records.jsonl', jsonLines(records));
  const { code, stdout, stderr } = await captured(async () => {
    failed = await checkData([file], options);
  });
  return { code: code || failed, text: `${stdout}${stderr}`.replaceAll(file, 'records.jsonl') };
}

test('an empty answer cannot be learnt, unless it is one to avoid or has no weight', async () => {
  const said = (content: string, weight = 1) => ({
    messages: [
      { role: 'user', content: 'Why?' },
      { role: 'assistant', content, weight },
    ],
  });
  const records = [
    said(' '),
    said('', 0),
    { prompt: 'Why?', chosen: 'so', rejected: '' },
    { prompt: 'Why?', chosen: '', rejected: 'so' },
  ];
  const { text } = await checked(records);
  expect(text).toContain('samples   4, of which 2 cannot be used');
  for (const line of [1, 4]) expect(text).toContain(`records.jsonl:${line}: an empty answer: it would teach to end`);
});

test('without a model, turns that many templates refuse are told of, though they may be learnt', async () => {
  const said = (...roles: string[]) => ({ messages: roles.map((role) => ({ role, content: role })) });
  const records = [
    said('system', 'user', 'assistant', 'user', 'assistant'),
    said('user', 'user', 'assistant'),
    said('assistant', 'user'),
    said('user', 'assistant', 'tool', 'assistant'),
  ];
  const { code, text } = await checked(records);
  expect(code).toBe(0);
  expect(text).toContain('out of turn  2, the first records.jsonl:2: many chat templates');
});

test('records are checked for what an objective learns of, and what is wrong with all of them is said once', async () => {
  const rated = ['yes', 'no'].map((completion) => ({ prompt: 'Why?', completion, label: true }));
  const pair = { prompt: 'Why?', chosen: 'so', rejected: 'no' };
  const none = await checked(rated, { objective: 'dpo' });
  expect(none.code).toBe(1);
  expect(none.text.split('\n').slice(5, 9)).toEqual([
    'none of these records is a pair of answers',
    'records.jsonl:1: expected a chosen and a rejected answer',
    '  Fields: prompt or messages, chosen, rejected',
    '… and 1 more alike; --json lists them all',
  ]);
  expect((await checked(rated, { objective: 'kto' })).code).toBe(0);
  const mixed = await checked([pair, ...rated], { objective: 'dpo' });
  expect(mixed.text).toContain('samples   3, of which 2 cannot be used');
  expect(mixed.text).not.toContain('none of these');
  const misspelt = await checked(rated, { objective: 'dpoo' });
  expect([misspelt.code, misspelt.text]).toEqual([
    2,
    expect.stringContaining('no objective is called "dpoo"; there are'),
  ]);
});

test('texts alone are checked and shown as they are learnt whole, and refused where answers are learnt', async () => {
  const file = temporaryFile('book.txt', 'two birds in a tree\n\na tall tree\n');
  const opt = join(fixturePath('opt'), 'model');
  const whole = await here(['data', 'check', file, '--learn', 'all', '--model', opt, '--json']);
  expect(JSON.parse(whole.stdout)).toMatchObject([{ samples: 2, bad: 0, tokens: { conversations: 2 } }]);
  const shown = (await here(['data', 'show', file, '1', '--learn', 'all', '--model', opt])).stdout;
  expect(shown.replaceAll(file, 'book.txt')).toMatch(/^book\.txt:3\n\n<\/s>«a tall tree<\/s>»\n/);
  expect((await here(['data', 'show', file, '1'])).stdout).toMatch(/\n\na tall tree\n$/);
  const answers = await here(['data', 'check', file, '--objective', 'next-token']);
  expect(answers.stdout).toContain('samples   2, of which 2 cannot be used');
  expect(answers.stdout).toContain('{ kind: next-token, learn: all }');
  const wrong = await here(['data', 'check', file, '--objective', 'dpo', '--learn', 'all']);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('dpo does not learn from any')]);
});

test('data show has a sample as an objective does: pairs by their answers, prompts as they are asked', async () => {
  const pair = { prompt: 'How many birds?', chosen: 'two', rejected: 'one bird' };
  const file = temporaryFile('pairs.jsonl', jsonLines([pair, { prompt: 'Why?', response: 'so' }]));
  const show = (index: string, objective: string) =>
    here(['data', 'show', file, index, '--model', model, '--objective', objective]);
  expect((await show('0', 'dpo')).stdout).toMatch(/\n\ngood:\n.*«two<\/s>»\n[\s\S]*\n\nbad:\n.*«one bird<\/s>»\n/);
  expect((await show('0', 'kto')).stderr).toContain('expected one answer that is rated');
  expect((await show('1', 'grpo')).stdout).toMatch(/USER: Why\? ASSISTANT:\n\n\d+ tokens, of which 0 are learnt/);
  const refused = await show('1', 'next-token');
  expect(refused.stderr).toContain('a prompt without an answer to learn\n  The answer is read from "completion"');
});

test('a name of the hub that is no file is told how to become one', async () => {
  const hub = await here(['data', 'check', 'owner-of-none/chats_200k']);
  expect(hub.stderr).toMatch(
    /owner-of-none\/chats_200k: cannot be opened: .*\n {2}.*hf download owner-of-none\/chats_200k --repo-type dataset/,
  );
  for (const path of ['owner-of-none/chats.jsonl', join(temporaryFolder(), 'chats')]) {
    expect((await here(['data', 'check', path])).stderr).not.toContain('hf download');
  }
});
