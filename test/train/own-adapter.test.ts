/** A model that comes with an adapter for conversations with pictures learns through it, and keeps what it had learnt. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { merge } from '../../src/cli/merge.js';
import { openDataset } from '../../src/data/index.js';
import { loadPicture } from '../../src/media/index.js';
import { AdaptedChats, asSystem, Chat, load, type PicturedChat, readAdapter } from '../../src/model/index.js';
import { smol } from '../../src/recipes/index.js';
import { fields, toNumbers } from '../../src/tensor/index.js';
import { inspectData, runFile } from '../../src/train/index.js';
import type { Evaluation } from '../../src/train/log-record.js';
import { readRunFile, runOf } from '../../src/train/run-file.js';
import { captured } from '../cli/cli.js';
import { blocksOf } from '../example.js';
import { engine, fixturePath } from '../fixture.js';
import { givePictureAdapter } from '../model/pictured.js';
import { temporaryFile } from '../temporary.js';
import { runFolder, stage } from './runs.js';
import { logOf } from './small-runs.js';

const samples = [
  { pictures: ['one.png'], prompt: 'What do you see?', maxTokens: 8 },
  { prompt: 'What do you see?', maxTokens: 8 },
];

/** A run over a model that comes with an adapter; what a stage says besides its name and its data. */
async function adaptedRun(settings: Readonly<Record<string, unknown>>) {
  const run = runFolder({ samples, stages: [stage({ name: 'mine', ...settings })] });
  await givePictureAdapter(join(run.folder, 'base'));
  return { ...run, base: join(run.folder, 'base'), adapter: join(run.folder, 'out/adapter') };
}

const question = { type: 'text' as const, text: 'What do you see?' };
const picture = `${fixturePath('llava')}/media/one.png`;

const seeing = async (): Promise<PicturedChat> => ({
  messages: [{ role: 'user', content: [{ type: 'image' }, question] }],
  pictures: [await loadPicture(picture)],
});

/** What a model says of a picture, and without one. */
async function answersOf(folder: string, adapter?: string): Promise<readonly string[]> {
  const model = asSystem(await load(folder, { engine, ...(adapter === undefined ? {} : { adapter }) }));
  const chat = await Chat.open(model);
  try {
    const blind = { messages: [{ role: 'user' as const, content: [question] }], pictures: [] };
    return [await chat.answer(await seeing(), { maxTokens: 8 }), await chat.answer(blind, { maxTokens: 8 })];
  } finally {
    await chat.close();
    await model.close();
  }
}

test('it goes on from what the adapter has learnt, and answers without a picture as before', async () => {
  const rate = 1e-3;
  const run = await adaptedRun({ adapter: 'own', steps: 3, optimizer: { lr: rate } });
  await runFile(run.file, { engine });
  const model = asSystem(await load(run.base, { engine }));
  onTestFinished(() => model.close());
  const learnt = await readAdapter(run.adapter, model.network, model.declarations);
  const begun = model.pictureAdapter?.values ?? new Map();
  expect([...learnt.values.keys()].sort()).toEqual([...begun.keys()].sort());
  const moved = [...learnt.values].flatMap(([name, value]) => {
    const before = toNumbers(begun.get(name)!);
    return toNumbers(value).map((x, i) => Math.abs(x - (before[i] as number)));
  });
  // A step of AdamW moves a number by its rate, or little more.
  expect(Math.max(...moved)).toBeGreaterThan(rate);
  expect(Math.max(...moved)).toBeLessThan(3.5 * rate);
  const [before, after] = [await answersOf(run.base), await answersOf(run.base, run.adapter)];
  const told = logOf(run.folder, 'mine').flatMap(({ evaluation }) => {
    return evaluation ? [(evaluation as Evaluation).answers] : [];
  });
  expect(told).toEqual([before, after]);
  expect(after[1]).toBe(before[1]);
});

test('a program uses it by its name, and a merged folder comes with it', async () => {
  const run = await adaptedRun({ adapter: 'own', steps: 6, optimizer: { lr: 0.3 } });
  await runFile(run.file, { engine });
  const [before, after] = [await answersOf(run.base), await answersOf(run.base, run.adapter)];
  expect(after[0]).not.toBe(before[0]);
  const merged = join(run.folder, 'merged');
  await captured(() => merge(run.base, { adapter: run.adapter, output: merged, dtype: 'f32' }));
  expect(await answersOf(merged)).toEqual(after);
  const bytes = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
  expect(bytes(merged).equals(bytes(run.base))).toBe(true);
  const model = asSystem(await load(run.base, { engine }));
  onTestFinished(() => model.close());
  const chats = await AdaptedChats.open(model, { mine: run.adapter });
  onTestFinished(() => chats.close());
  const said: string[] = [];
  for (const name of [undefined, 'mine']) {
    said.push(await (await chats.use(name)).answer(await seeing(), { maxTokens: 8 }));
  }
  expect(said).toEqual([before[0], after[0]]);
});

test('what learns in its place keeps it: the model that is written comes with it', async () => {
  const run = await adaptedRun({ train: ['multi_modal_projector.**'], steps: 1, optimizer: { lr: 1e-9 } });
  await runFile(run.file, { engine });
  expect(await answersOf(join(run.folder, 'out/model'))).toEqual(await answersOf(run.base));
});

test('a sample that the model would answer without its adapter is told', async () => {
  const run = await adaptedRun({ adapter: 'own' });
  const file = join(run.folder, 'texts.jsonl');
  const chat = {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
    ],
  };
  writeFileSync(file, `${JSON.stringify(chat)}\n`);
  const model = asSystem(await load(run.base, { engine }));
  onTestFinished(() => model.close());
  const dataset = await openDataset(file);
  onTestFinished(() => dataset.close());
  const told: string[] = [];
  await inspectData(dataset, { model, onBad: ({ message }) => told.push(message) });
  expect(told).toEqual([expect.stringMatching(/texts\.jsonl:1: has no picture, without which the model's adapter/)]);
});

test('another adapter in its place is refused, which would begin from nothing, and so is an own one that is not there', async () => {
  const lora = { rank: 2, on: ['**.q_proj'] };
  const run = await adaptedRun({ lora });
  await expect(runFile(run.file, { engine })).rejects.toThrow(
    /stages\[0\]\.lora: .*begin from nothing\n.*adapter: own/,
  );
  const plain = runFolder({ stages: [stage({ name: 'mine', adapter: 'own' })] });
  await expect(runFile(plain.file, { engine })).rejects.toThrow(
    /stages\[0\]\.adapter: the model comes with no adapter/,
  );
});

test("a recipe's stage teaches the adapter that the model comes with, or where there is none one of the recipe's settings", () => {
  const file = fields({ model: 'm', output: 'o', stages: [{ name: 'instruct', data: 'd.jsonl' }] }, 'run.yaml');
  const { stages } = smol('tiny');
  const [asked] = runOf(file, 'run.yaml', { stages, hasAdapter: true }).stages;
  expect(asked).toMatchObject({ adapter: { kind: 'own' }, train: [] });
  const [fresh] = runOf(file, 'run.yaml', { stages }).stages;
  expect(fresh).toMatchObject({ adapter: { kind: 'lora', rank: 16 }, train: [] });
});

test("the page's run file asks for what learns in smol", async () => {
  const page = readFileSync(new URL('../../docs/run-files.md', import.meta.url), 'utf8');
  const example = blocksOf(page, 'yaml').find((block) => block.includes('model: smol'));
  const file = temporaryFile('run.yaml', example as string);
  const run = runOf(await readRunFile(file), file, { stages: smol('tiny').stages, hasAdapter: true });
  expect(run.model).toBe('smol');
  expect(run.stages).toMatchObject([{ adapter: { kind: 'own' }, train: [], batch: 6, frozen: 'int8' }]);
});
