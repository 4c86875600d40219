/** Chats as what an encoder-decoder reads and writes. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, Chat, createProcessor, layeredWeights, load } from '../../src/model/index.js';
import { adamw, nextToken } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { sampleBatches } from '../../src/train/samples.js';
import { train } from '../../src/train/train.js';
import { engine, fixtureJson, fixturePath, fixtureTensors } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFolder } from '../temporary.js';

const texts = fixtureJson('t5', 'expected.json') as Record<'prompt_text' | 'label_text', string[]>;

/** The fixture's model, and its prompts and answers as a file of chats. */
async function open() {
  const lines = texts.prompt_text.map((prompt, i) => ({
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: texts.label_text[i] },
    ],
  }));
  const folder = temporaryFolder({ 'chats.jsonl': jsonLines(lines) });
  const model = asSystem(await load(`${fixturePath('t5')}/model`, { engine }));
  onTestFinished(() => model.close());
  const dataset = await openDataset(join(folder, 'chats.jsonl'));
  onTestFinished(() => dataset.close());
  const batches = sampleBatches(model, dataset, { batch: 2 });
  return { model, batches };
}

/** Rows of numbers without padding, shortest first. */
function rowsOf(array: HostArray | undefined, padding: number): number[][] {
  const [rows = 0, length = 0] = array?.shape ?? [];
  const all = array ? toNumbers(array) : [];
  return Array.from({ length: rows }, (_, i) => all.slice(i * length, (i + 1) * length))
    .map((row) => row.filter((x) => x !== padding))
    .sort((one, other) => one.length - other.length);
}

test('prompts are read as the reference reads them, and answers with their end are what is learnt', async () => {
  const { model, batches } = await open();
  const [batch = {}] = await batches.take(0);
  const given = await fixtureTensors('t5', 'inputs');
  expect(rowsOf(batch.input_ids, 0)).toEqual(rowsOf(given.input_ids, 0));
  expect(rowsOf(batch.attention_mask, 0)).toEqual(rowsOf(given.attention_mask, 0));
  const { tokenizer } = createProcessor(model);
  const learnt = rowsOf(batch.labels, -100);
  expect(learnt.map((row) => tokenizer.decode(row))).toEqual(texts.label_text.map((text) => `${text}</s>`));
  // The second answer of the fixture has a gap.
  expect(learnt[0]).toEqual(rowsOf(given.labels, -100)[0]);
  expect(batch.labels?.shape).toEqual(given.labels?.shape);
});

test('answers are learnt by heart, and then given', async () => {
  const { model, batches } = await open();
  const { values } = await train(model, {
    objective: nextToken(),
    train: ['**'],
    optimizer: adamw({ lr: 1e-2, warmup: 0.1, schedule: 'cosine' }),
    steps: 60,
    data: batches,
  });
  const taught = { ...model, weights: layeredWeights(model.weights, new Map(Object.entries(values))) };
  const chat = await Chat.open(taught);
  try {
    const chats = texts.prompt_text.map((content) => ({
      messages: [{ role: 'user' as const, content }],
      pictures: [],
    }));
    expect(await chat.answers(chats, { maxTokens: 20 })).toEqual(texts.label_text);
  } finally {
    await chat.close();
  }
});
