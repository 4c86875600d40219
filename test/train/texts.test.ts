/** Language models over texts in which nobody answers: what is learnt of them, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, createProcessor, load, type Model } from '../../src/model/index.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile, type SampleOptions, sampleBatches } from '../../src/train/index.js';
import { engine, fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFile } from '../temporary.js';
import { runFolder, stage } from './runs.js';

/** Texts, and the first losses of TRL's SFTTrainer over them. */
const {
  texts,
  rate,
  losses: reference,
} = JSON.parse(readFileSync(join(fixturePath('sft-texts'), 'losses.json'), 'utf8')) as {
  readonly texts: readonly string[];
  readonly rate: number;
  readonly losses: readonly number[];
};

async function language(name: string): Promise<Model<System>> {
  const model = asSystem(await load(join(fixturePath(name), 'model'), { engine }));
  onTestFinished(() => model.close());
  return model;
}

/** The first step over texts, each as a record of its own, and how many of them were cut. */
async function stepOf(model: Model<System>, of: readonly string[], options: Partial<SampleOptions> = {}) {
  const dataset = await openDataset(temporaryFile('texts.jsonl', jsonLines(of.map((text) => ({ text })))));
  onTestFinished(() => dataset.close());
  const batches = sampleBatches(model, dataset, { batch: of.length, once: true, learn: 'all', ...options });
  const [batch = {}] = await batches.take(0);
  const cut = batches.cutIn?.(0);
  await batches.close?.();
  const rowsOf = (name: string): number[][] => {
    const array = batch[name] as HostArray;
    const [rows = 0, width = 0] = array.shape as number[];
    const numbers = toNumbers(array);
    return Array.from({ length: rows }, (_, row) => numbers.slice(row * width, (row + 1) * width));
  };
  return { rowsOf, cut };
}

test.each([
  ['opt', true],
  ['gpt2', false],
])('of a text all tokens are learnt, and the one that ends it: %s', async (name, begins) => {
  const model = await language(name);
  const { tokenizer } = createProcessor(model);
  const { bos, eos } = tokenizer.special as { bos: number; eos: number };
  const ended = `a tall tree${tokenizer.tokenOf(eos)}`;
  for (const text of ['a tall tree', ended]) {
    const { rowsOf } = await stepOf(model, [text]);
    const ids = [...(begins ? [bos] : []), ...tokenizer.encode('a tall tree'), eos];
    expect(rowsOf('input_ids')).toEqual([ids]);
    expect(rowsOf('labels')).toEqual([ids]);
  }
});

test('a text that is longer is cut and counted, and packed texts begin anew', async () => {
  const model = await language('llama');
  const of = [texts[2] as string, 'a', 'a b'];
  const whole = await Promise.all(of.map((text) => stepOf(model, [text])));
  const [long = [], one = [], two = []] = whole.map(({ rowsOf }) => rowsOf('input_ids')[0]);
  expect(whole.map(({ cut }) => cut)).toEqual([0, 0, 0]);
  const short = await stepOf(model, of.slice(0, 1), { longest: 4 });
  expect([short.rowsOf('labels'), short.cut]).toEqual([[long.slice(0, 4)], 1]);
  const { rowsOf } = await stepOf(model, of, { packing: true });
  const beside = (values: readonly number[], fill: number) =>
    [...values, ...new Array<number>(long.length).fill(fill)].slice(0, long.length);
  const { pad = 0 } = createProcessor(model).tokenizer.special;
  expect(rowsOf('input_ids')).toEqual([long, beside([...two, ...one], pad)]);
  expect(rowsOf('labels')[1]).toEqual(beside([-100, ...two.slice(1), -100, ...one.slice(1)], -100));
  expect(rowsOf('attention_mask')[1]).toEqual(beside([...two.map(() => 1), ...one.map(() => 2)], 0));
});

test.each([false, true])(
  'a run over the lines of a plain text has the losses that TRL has (packing: %s)',
  async (packing) => {
    const objective = { kind: 'next-token', learn: 'all' };
    const own = { train: ['**'], data: 'texts.txt', objective, batch: 4, steps: 3, packing, optimizer: { lr: rate } };
    const evaluate = { data: 'held-out.jsonl', every: 3 };
    const { file, folder } = runFolder({ stages: [stage({ name: 'read', ...own, evaluate })] }, 'llama');
    writeFileSync(join(folder, 'texts.txt'), `${texts.join('\n\n')}\n`);
    writeFileSync(join(folder, 'held-out.jsonl'), jsonLines(texts.map((text) => ({ text }))));
    const losses: number[] = [];
    const held: number[] = [];
    await runFile(file, {
      engine,
      onStep: (_, { loss }) => losses.push(loss),
      onEvaluation: (_, { loss = Number.NaN }) => held.push(loss),
    });
    expect(losses).toHaveLength(3);
    for (const [i, loss] of [...losses, held[0]].entries()) expect(loss).toBeCloseTo(reference[i % 3] as number, 4);
  },
);

const all = { kind: 'next-token', learn: 'all' };

test.each([
  ['next-token', { text: 'a tree' }, /a text alone, in which nobody answers\n.* \{ kind: next-token, learn: all \}/],
  [all, { text: ' ' }, /an empty text/],
  [all, { prompt: 'Why?', chosen: 'so', rejected: 'no' }, /has answers to compare/],
  [
    'next-token',
    { prompt: 'Why?', response: 'so' },
    /a prompt without an answer to learn\n {2}The answer is read from "completion", .*; there are prompt, response$/m,
  ],
  [all, { prompt: 'Why?', response: 'so' }, /a prompt without an answer to learn/],
])('%j refuses %j', async (objective, record, message) => {
  const own = { train: ['**'], data: 'texts.jsonl', objective, batch: 1, steps: 1, optimizer: { lr: 1e-3 } };
  const { file, folder } = runFolder({ stages: [{ name: 'read', ...own }] }, 'llama');
  writeFileSync(join(folder, 'texts.jsonl'), jsonLines([record]));
  await expect(runFile(file, { engine })).rejects.toThrow(message);
});

test('an encoder-decoder learns nothing but answers', async () => {
  const model = await language('flan-t5');
  await expect(stepOf(model, ['a tree'])).rejects.toThrow('objective.learn: t5 reads with an encoder');
});
