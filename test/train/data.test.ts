/** Runs over data of every kind: mixtures, archives, tables; what is resumed, and what cannot be used. */

import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { QuintetError } from '../../src/tensor/index.js';
import { type RunOptions, runFile } from '../../src/train/run.js';
import { engine, fixtureJson, fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { chats, runFolder, stage } from './runs.js';

const files = fixturePath('data');

/** A run over files of the fixture `data`, which lie in its folder. */
function run(settings: Readonly<Record<string, unknown>>) {
  const made = runFolder({ stages: [stage({ name: 'align', batch: 4, ...settings })] });
  cpSync(files, join(made.folder, 'data'), { recursive: true });
  return made;
}

const losses = (folder: string) =>
  readFileSync(join(folder, 'out/align/log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { loss?: number })
    .flatMap(({ loss }) => loss ?? []);

test('pictures in an archive train as those in files do', async () => {
  const captions = (fixtureJson('data', 'expected.json') as Record<string, { messages: { content: string }[] }[]>)[
    'shard-{000..001}.tar'
  ];
  const lines = (captions ?? []).map(({ messages: [, answer] }, i) => {
    return JSON.stringify({ image: `pictures/${i}.${i % 2 ? 'jpg' : 'png'}`, caption: answer?.content });
  });
  const all = [];
  for (const settings of [{ data: 'data/shard-{000..001}.tar' }, { data: 'data/lines.jsonl' }]) {
    const { folder, file } = run(settings);
    writeFileSync(join(folder, 'data/lines.jsonl'), lines.join('\n'));
    await runFile(file, { engine });
    all.push(losses(folder));
  }
  expect(all[0]).toHaveLength(4);
  expect(all[1]).toEqual(all[0]);
});

test('a run over a mixture, with samples of like length together, goes on in mid-epoch to the same bits', async () => {
  const settings = {
    data: [
      { path: 'chats.jsonl', weight: 2 },
      { path: 'data/snappy.parquet', weight: 1 },
      { path: 'data/commas.csv', pictures: 'data/pictures', weight: 1 },
    ],
    groupByLength: true,
    steps: 7,
  };
  const [whole, halved] = [run(settings), run(settings)];
  await runFile(whole.file, { engine });
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = (_, { step }) => step === 3 && controller.abort();
  expect(await runFile(halved.file, { engine, signal: controller.signal, onStep })).toEqual({ stopped: true });
  await runFile(halved.file, { engine });
  const [one, other] = [whole, halved].map(({ folder }) => readFileSync(join(folder, 'out/model/model.safetensors')));
  expect(one?.equals(other as Buffer)).toBe(true);
  expect(losses(halved.folder)).toEqual(losses(whole.folder));
  // With other weights it is another run.
  const again = readFileSync(halved.file, 'utf8').replace('weight: 2', 'weight: 3').replace('steps: 7', 'steps: 9');
  writeFileSync(halved.file, again);
  await expect(runFile(halved.file, { engine })).rejects.toThrow('the checkpoint is of another run');
});

/** Chats of which some name a picture that is missing. */
function withGaps(folder: string, missing: readonly number[]): void {
  const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify(chats[i % 4]));
  const kept = lines.map((line, i) => (missing.includes(i) ? line.replace('.png', '-gone.png') : line));
  writeFileSync(join(folder, 'chats.jsonl'), kept.join('\n'));
}

test('samples that cannot be used are passed over and named once in a report, also when the run goes on', async () => {
  const { folder, file } = run({ data: 'chats.jsonl', steps: 10, badShare: 0.1 });
  withGaps(folder, [3, 11]);
  const controller = new AbortController();
  const told: string[] = [];
  const onNotice = (error: QuintetError) => told.push(error.message);
  const onStep: RunOptions['onStep'] = (_, { step }) => step === 5 && controller.abort();
  await runFile(file, { engine, onNotice, onStep, signal: controller.signal });
  await runFile(file, { engine, onNotice });
  const report = readFileSync(join(folder, 'out/align/bad-samples.jsonl'), 'utf8').trim().split('\n');
  const named = report.map((line) => JSON.parse(line) as { code: string; message: string });
  expect(named.map(({ code }) => code)).toEqual(['not-found', 'not-found']);
  const places = named.map(({ message }) => message.replaceAll(`${folder}/`, '')).sort();
  expect(places).toEqual([
    'chats.jsonl:12: two-gone.png: no such picture',
    'chats.jsonl:4: two-gone.png: no such picture',
  ]);
  // A run that goes on finds them again, and says so.
  expect(told.length).toBeGreaterThanOrEqual(2);
  expect(losses(folder)).toHaveLength(10);
});

test('a run of a model that takes no pictures passes over samples that have some', async () => {
  const own = stage({ name: 'mine', train: ['**.q_proj.weight'], badShare: 0.5 });
  const { folder, file } = runFolder({ stages: [own] }, 'llama');
  const texts = ['one', 'two', 'three'].map((word) => ({
    messages: [
      { role: 'user', content: 'How many birds?' },
      { role: 'assistant', content: word },
    ],
  }));
  writeFileSync(join(folder, 'chats.jsonl'), [...texts, chats[0]].map((line) => JSON.stringify(line)).join('\n'));
  const told: string[] = [];
  await runFile(file, { engine, onNotice: ({ message }) => told.push(message.replaceAll(`${folder}/`, '')) });
  expect(told).toEqual([expect.stringContaining('chats.jsonl:4: this model takes no pictures')]);
  expect(readFileSync(join(folder, 'out/mine/bad-samples.jsonl'), 'utf8')).toContain('takes no pictures');
});

/** A chat that speaks before it shows a picture: what is cut of it is the picture's. */
const late = {
  messages: [
    { role: 'user', content: 'How many birds?' },
    { role: 'assistant', content: 'two birds' },
    ...(chats[0]?.messages ?? []),
  ],
};

test.each([false, true])(
  'a sample whose picture is cut is told, and no other is given its features (packing: %s)',
  async (packing) => {
    const { folder, file } = run({ data: 'chats.jsonl', batch: 3, badShare: 0.5, steps: 2, longest: 50, packing });
    writeFileSync(join(folder, 'chats.jsonl'), jsonLines([chats[0], late, chats[2]]));
    const told: string[] = [];
    await runFile(file, { engine, onNotice: ({ message }) => told.push(message) });
    expect(told[0]).toContain('chats.jsonl:2: there are 10 image tokens for 17 features of pictures');
    expect(told[0]).toContain('Raise longest, which cuts its 90 tokens to 50');
  },
);

test('a template that leaves pictures out is told', async () => {
  const { folder, file } = run({ data: 'chats.jsonl', steps: 2 });
  const template = "{% for message in messages %}{{ message['content'][-1]['text'] + '\\n' }}{% endfor %}";
  writeFileSync(join(folder, 'base/chat_template.jinja'), template);
  await expect(runFile(file, { engine })).rejects.toThrow('there are 0 image tokens for 17 features of pictures');
});

test('a damaged account of the run is told, and does not keep it from going on', async () => {
  const { folder, file } = run({ data: 'data/commas.csv', pictures: 'data/pictures', steps: 4 });
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = (_, { step }) => step === 2 && controller.abort();
  await runFile(file, { engine, onStep, signal: controller.signal });
  writeFileSync(join(folder, 'out/run.json'), '{"format": 1, "fil');
  const told: string[] = [];
  const { stopped } = await runFile(file, { engine, onNotice: ({ message }) => told.push(message) });
  expect(stopped).toBe(false);
  expect(losses(folder)).toHaveLength(4);
  expect(told).toEqual([expect.stringContaining('run.json')]);
  expect(JSON.parse(readFileSync(join(folder, 'out/run.json'), 'utf8'))).toMatchObject({ result: 'model' });
});

test('more of them than the set share stop the run', async () => {
  const { folder, file } = run({ data: 'chats.jsonl', steps: 10, badShare: 0.1 });
  withGaps(folder, [1, 5, 8]);
  await expect(runFile(file, { engine })).rejects.toThrow('3 of 20 samples cannot be used, more than 10 %');
  expect(readFileSync(join(folder, 'out/align/bad-samples.jsonl'), 'utf8').trim().split('\n')).toHaveLength(3);
});

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ data: [] }, /stages\[0\]\.data: there is no data/],
  [{ data: [{ path: 'chats.jsonl', wieght: 2 }] }, /data\[0\]: there is no field "wieght"; did you mean "weight"/],
  [{ data: [{ path: 'chats.jsonl', weight: 0 }] }, /data\[0\]\.weight: expected a number above 0, got 0/],
  [{ data: [{ path: 'chats.jsonl', weight: 1 }, { path: 'chats.jsonl' }] }, /some sources have a weight and some have/],
  [{ data: 'chats.jsonl', format: 'xml' }, /format: expected one of json, csv, tar, parquet, text, got "xml"/],
  [{ data: 'chats.jsonl', badShare: 2 }, /badShare: expected a part from 0 to 1, got 2/],
  [{ data: 'shard-*.tar' }, /shard-\*\.tar: no file is called so/],
])('a stage with %j says what is wrong', async (settings, message) => {
  const { folder, file } = run(settings);
  const error = await runFile(file, { engine }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(QuintetError);
  expect((error as Error).message).toMatch(message);
  expect(existsSync(join(folder, 'out/align'))).toBe(false);
});
