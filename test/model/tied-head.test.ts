/** Files that hold a head which their configuration says is the table of embeddings, as transformers reads them. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { load, type Model, traceNetwork } from '../../src/model/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureTensors } from '../fixture.js';
import { copyOfModel } from './models.js';

type Arrays = Record<string, HostArray>;
type Json = Record<string, unknown>;

const timesTwo = (x: HostArray): HostArray =>
  hostArray(
    'f32',
    x.shape,
    toNumbers(x).map((value) => 2 * value),
  );

/** A fixture's model with other tensors in its file, and another configuration. Closed when the test ends. */
async function loaded(
  name: string,
  change: (tensors: Arrays) => Arrays,
  configure: (config: Json) => Json = (config) => config,
): Promise<Model> {
  const folder = copyOfModel(name);
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(configure(JSON.parse(readFileSync(config, 'utf8')))));
  const file = join(folder, 'model.safetensors');
  const tensors = change(await fixtureTensors(name, 'model/model'));
  await writeSafetensors(`${file}.new`, Object.entries(tensors));
  renameSync(`${file}.new`, file);
  const model = await load(folder, { engine });
  onTestFinished(() => model.close());
  return model;
}

describe.each([
  ['llava-siglip', 'language_model.model.embed_tokens.weight', 'language_model.lm_head.weight'],
  ['smolvlm', 'model.text_model.embed_tokens.weight', 'lm_head.weight'],
  ['gpt2', 'wte.weight', 'lm_head.weight'],
  ['opt', 'model.decoder.embed_tokens.weight', 'lm_head.weight'],
  ['t5', 'shared.weight', 'lm_head.weight'],
])('%s', (name, table, head) => {
  /** Asserts that it gives the fixture's logits, so many times, with a head of its own or without. */
  async function check(change: (tensors: Arrays) => Arrays, { times, own }: { times: number; own: boolean }) {
    const model = await loaded(name, change);
    expect([...model.declarations.keys()].some((parameter) => parameter.endsWith('lm_head.weight'))).toBe(own);
    const { logits } = await traceNetwork(model, await fixtureTensors(name, 'inputs'));
    const { logits: wanted } = await fixtureTensors(name, 'expected');
    const all = wanted as HostArray;
    expectSame(logits, times === 2 ? timesTwo(all) : all, 'logits', { rtol: 1e-4, atol: 0 });
  }

  test('a head that is the table is the table', () =>
    check((tensors) => ({ ...tensors, [head]: tensors[table] as HostArray }), { times: 1, own: false }));

  test('a head that differs from the table is a head of its own', () =>
    check((tensors) => ({ ...tensors, [head]: timesTwo(tensors[table] as HostArray) }), { times: 2, own: true }));

  test('a head without a table is the table', () =>
    check(({ [table]: words, ...rest }) => ({ ...rest, [head]: words as HostArray }), { times: 1, own: false }));
});

describe('Janus, whose configuration does not say whether its head is the table', () => {
  const silent = ({ tie_word_embeddings: _, ...config }: Json): Json => config;
  const table = 'model.language_model.embed_tokens.weight';
  const logitsOf = async (model: Model): Promise<HostArray> =>
    (await traceNetwork(model, await fixtureTensors('janus', 'inputs'))).logits as HostArray;

  test('has the table as its head', async () => {
    const tied = await loaded('janus', ({ 'lm_head.weight': _, ...rest }) => rest, silent);
    const spelled = (tensors: Arrays): Arrays => ({ ...tensors, 'lm_head.weight': tensors[table] as HostArray });
    const own = await loaded('janus', spelled, (config) => ({ ...config, tie_word_embeddings: false }));
    expect(tied.declarations.size).toBe(own.declarations.size - 1);
    expectSame(await logitsOf(tied), await logitsOf(own), 'logits', { rtol: 1e-5, atol: 0 });
  });

  test('has the head of its file where that differs', async () => {
    const { logits } = await fixtureTensors('janus', 'expected');
    const model = await loaded('janus', (tensors) => tensors, silent);
    expectSame(await logitsOf(model), logits as HostArray, 'logits', { rtol: 1e-4, atol: 0 });
  });
});
