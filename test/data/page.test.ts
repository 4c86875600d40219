/** What docs/data.md shows is read as it says. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { openDataset } from '../../src/data/index.js';
import { fields } from '../../src/tensor/index.js';
import { dataFields, dataOf } from '../../src/train/settings/data.js';
import { temporaryFolder } from '../temporary.js';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const blocks = (text: string, language: string) =>
  [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, own, code = '']) => (own === language ? [code] : []));

test('every form of record is the same conversation about a picture', async () => {
  const [records = ''] = blocks(page('data.md'), 'jsonl');
  const folder = temporaryFolder({ 'records.jsonl': records });
  const dataset = await openDataset(join(folder, 'records.jsonl'));
  onTestFinished(dataset.close);
  expect(dataset.count).toBe(9);
  for (let index = 0; index < dataset.count; index++) {
    const { messages, pictures } = await dataset.read(index);
    expect(pictures).toEqual([join(folder, 'cat.png')]);
    const question = index < 7 ? [{ type: 'text', text: 'What is it?' }] : [];
    expect(messages.filter(({ role }) => role !== 'system')).toEqual([
      { role: 'user', content: [{ type: 'image' }, ...question] },
      { role: 'assistant', content: 'A cat.' },
    ]);
  }
});

test('a text alone is read as nothing else', async () => {
  const [, record = ''] = blocks(page('data.md'), 'jsonl');
  const lines = '{ no JSON\n\nname, text\n  Cats sleep most of the day. \n';
  const folder = temporaryFolder({ 'records.jsonl': record, 'lines.txt': lines });
  const textOf = async (name: string, index: number) => {
    const dataset = await openDataset(join(folder, name));
    onTestFinished(dataset.close);
    const { messages, pictures, text } = await dataset.read(index);
    expect([messages, pictures]).toEqual([[], []]);
    return text?.trim();
  };
  const text = 'Cats sleep most of the day.';
  expect(await textOf('records.jsonl', 0)).toBe(text);
  expect(await Promise.all([0, 1, 2].map((i) => textOf('lines.txt', i)))).toEqual(['{ no JSON', 'name, text', text]);
});

test('the settings of both pages are those of a run file', () => {
  const [plain = '', mixture = ''] = blocks(page('data.md'), 'yaml');
  const section = page('run-files.md')
    .split(/^## /m)
    .find((text) => text.startsWith('Data\n'));
  const [short = ''] = blocks(section ?? '', 'yaml');
  const read = (text: string) => {
    const stage = fields(parse(text), 'a stage');
    for (const name of Object.keys(stage.raw)) expect(dataFields).toContain(name);
    return dataOf(stage, '/run');
  };
  const one = { path: '/run/chats.jsonl', pictures: '/run/coco' };
  expect(read(plain)).toEqual({ data: [one], badShare: 0.01, groupByLength: true });
  expect(read(short)).toEqual({ data: [{ ...one, format: 'json' }], badShare: 0.01, groupByLength: true });
  expect(read(mixture)).toEqual({
    data: [
      { path: '/run/chats.jsonl', weight: 3 },
      { path: '/run/captions-{00..15}.tar', weight: 1 },
      { path: '/run/captions.csv', pictures: '/run/coco', weight: 1 },
    ],
  });
});
