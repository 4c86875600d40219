/** Tokenizers that know no limit: texts are as long as the network's positions. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { longestText } from '../../src/model/cut-text.js';
import { load, processPairs } from '../../src/model/index.js';
import { fields } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { copyOfModel } from './models.js';

test.each([
  ['clip', '', 'text_model.embeddings.position_embedding.weight'],
  ['siglip', '', 'text_model.embeddings.position_embedding.weight'],
  ['bert', '', 'embeddings.position_embeddings.weight'],
  ['stable-diffusion', 'tokenizer', 'text_encoder.text_model.embeddings.position_embedding.weight'],
])('%s', async (name, within, table) => {
  const folder = copyOfModel(name);
  const file = join(folder, within, 'tokenizer_config.json');
  const { model_max_length: _, ...settings } = JSON.parse(readFileSync(file, 'utf8'));
  const messages = [{ role: 'user' as const, content: new Array(200).fill('red').join(' ') }];
  for (const limit of ['', ', "model_max_length": 1000000000000000019884624838656']) {
    writeFileSync(file, JSON.stringify(settings).replace(/\}$/, `${limit}}`));
    const model = await load(folder, { engine });
    const longest = model.declarations.get(table)?.shape[0] as number;
    expect(longest).toBeGreaterThan(1);
    expect(processPairs(model, [{ messages, pictures: [] }]).input_ids?.shape).toEqual([1, longest]);
    await model.close();
  }
});

test('the shorter of what tokenizer and network say is the longest text', () => {
  const said = (model_max_length: unknown, context?: number) =>
    longestText(fields({ model_max_length }, 'tokenizer_config.json'), { context }, 77);
  expect([said(16, 32), said(64, 32), said(16), said(1e30), said(undefined)]).toEqual([16, 32, 16, 77, 77]);
  expect(() => said(0)).toThrow('tokenizer_config.json: model_max_length: expected a number of tokens');
});
