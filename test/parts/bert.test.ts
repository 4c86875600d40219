import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { load, processPairs, saveModel, traceNetwork } from '../../src/model/index.js';
import { bert, bertMasked } from '../../src/recipes/bert.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectFixture, fixtureJson, fixturePath, fixtureTensors, present, withModel } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { copyOfModel } from '../model/models.js';
import { temporaryFolder } from '../temporary.js';

const numbers = (array: HostArray | undefined): number[] => (array ? toNumbers(array) : []);

test.each(['bert', 'bert-first-token'])('%s: states, vectors, cosines and gradients equal the reference', (name) =>
  expectFixture(name, '', {}, { forward: 2e-6, gradient: 2e-5 }),
);

test('the head for masked words: scores, loss and gradients equal the reference, under the first published names', () =>
  expectFixture('bert-masked', '', {}, { forward: 2e-6, gradient: 2e-5 }));

test('texts become the ids of the reference, cut where the sentence encoder cuts them', () =>
  withModel('bert-first-token', async (model) => {
    const texts = fixtureJson('bert-first-token', 'texts.json') as unknown as string[];
    const messages = texts.map((content) => ({ role: 'user' as const, content }));
    const processed = processPairs(model, [{ messages, pictures: [] }]);
    const expected = await fixtureTensors('bert-first-token', 'expected');
    expect(numbers(processed.input_ids)).toEqual(numbers(expected['processed/input_ids']));
  }));

test('the same file is read without its head as an encoder of sentences', async () => {
  const folder = copyOfModel('bert-masked');
  const file = join(folder, 'config.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('BertForMaskedLM', 'BertModel'));
  const model = await load(folder, { engine });
  const { labels: _, ...inputs } = await fixtureTensors('bert-masked', 'inputs');
  const { last_hidden: found } = await traceNetwork(model, inputs, { want: ['last_hidden'] });
  const { last_hidden: wanted } = await fixtureTensors('bert-masked', 'expected');
  const seen = present('last_hidden', wanted as HostArray, inputs.attention_mask);
  expectClose(found as HostArray, seen, 'last_hidden', { rtol: 2e-6, atol: 0 });
  await model.close();
});

test('a saved sentence encoder keeps how it pools', async () => {
  const folder = temporaryFolder();
  await withModel('bert-first-token', (model) => saveModel(model, folder));
  for (const file of ['modules.json', 'sentence_bert_config.json', '1_Pooling/config.json']) {
    const original = readFileSync(join(fixturePath('bert-first-token'), 'model', file), 'utf8');
    expect(readFileSync(join(folder, file), 'utf8')).toBe(original);
  }
});

test('a pooling that is not there is refused by its name', async () => {
  const folder = copyOfModel('bert-first-token');
  writeFileSync(join(folder, '1_Pooling/config.json'), JSON.stringify({ pooling_mode_weightedmean_tokens: true }));
  await expect(load(folder, { engine })).rejects.toThrow(/pooling by pooling_mode_weightedmean_tokens/);
});

test.each([
  ['base', 109_482_240],
  ['large', 335_141_888],
  ['minilm-l6', 22_713_216],
] as const)('size %s holds %i numbers, as the published files do', (size, count) => {
  expect(parameterCount(declarationsOf(bert(size)).values())).toBe(count);
});

test('BERT with its head for masked words holds as many numbers as published', () => {
  // 109 482 240 less the pooling head, 768² + 768, and with the head: a dense layer, a norm, a bias a word.
  expect(parameterCount(declarationsOf(bertMasked('base')).values())).toBe(109_514_298);
});
