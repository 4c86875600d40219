import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { load, traceNetwork } from '../../src/model/index.js';
import { t5 } from '../../src/recipes/t5.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { engine, expectFixture, expectSame, fixtureTensors } from '../fixture.js';
import { copyOfModel } from '../model/models.js';

type Json = Readonly<Record<string, unknown>>;

test.each([
  ['t5', ''],
  ['t5', '2'],
  ['flan-t5', ''],
  ['flan-t5', '2'],
  ['t5-unscaled', ''],
  ['t5-unscaled', '2'],
  ['blip2-flan-t5', ''],
  ['blip2-flan-t5', '2'],
])('%s%s: states, scores, loss and gradients equal the reference', (name, set) =>
  expectFixture(name, set, {}, { forward: 2e-5, gradient: 1e-4 }),
);

/** As transformers 5 writes the configuration of a Flan-T5, which says nothing of the head that is stored. */
const written = { tie_word_embeddings: true, scale_decoder_outputs: false };

test.each([
  ['flan-t5', (config: Json) => ({ ...config, ...written })],
  ['blip2-flan-t5', (config: Json) => ({ ...config, text_config: { ...(config.text_config as Json), ...written } })],
] as const)(
  'a head of its own is found in the file where the configuration does not tell: %s',
  async (name, change) => {
    const folder = copyOfModel(name);
    const file = join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
    const model = await load(folder, { engine });
    const { labels: _, ...inputs } = await fixtureTensors(name, 'inputs2');
    const { logits: found } = await traceNetwork(model, inputs, { want: ['logits'] });
    const { logits: wanted } = await fixtureTensors(name, 'expected2');
    expectSame(found, wanted as HostArray, 'logits', { rtol: 2e-5, atol: 0 });
    await model.close();
  },
);

test.each([
  ['small', 60_506_624],
  ['base', 222_903_552],
  ['large', 737_668_096],
  ['3b', 2_851_598_336],
  ['flan-small', 76_961_152],
  ['flan-base', 247_577_856],
  ['flan-large', 783_150_080],
  ['flan-xl', 2_849_757_184],
  ['flan-xxl', 11_135_332_352],
] as const)('size %s holds %i numbers, as the published files do', (size, count) => {
  expect(parameterCount(declarationsOf(t5(size)).values())).toBe(count);
});
