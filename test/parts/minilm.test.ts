/** Published weights, where `scripts/fetch-weights.ts` has fetched them: all-MiniLM-L6-v2. */
import { expect, test } from 'vitest';
import { load, type Model, processPairs, traceNetwork } from '../../src/model/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { createTokenizer } from '../../src/text/index.js';
import { engine, expectSame, fixtureJson, fixtureTensors } from '../fixture.js';
import { weightsOf } from '../weights.js';

interface Texts {
  readonly sentences: readonly string[];
  readonly awkward: readonly string[];
  readonly ids: readonly (readonly number[])[];
}

const folder = weightsOf('minilm');
const { sentences, awkward, ids } = fixtureJson('real-minilm', 'texts.json') as unknown as Texts;

async function withMiniLm(use: (model: Model) => Promise<void>): Promise<void> {
  const model = await load(folder as string, { engine });
  try {
    await use(model);
  } finally {
    await model.close();
  }
}

test.skipIf(!folder)('texts of all scripts become the ids of the reference', () =>
  withMiniLm(async ({ files }) => {
    const tokenizer = createTokenizer(files?.tokenizer ?? {}, files?.tokenizerConfig);
    for (const [i, text] of [...sentences, ...awkward].entries()) {
      expect(tokenizer.encode(text, { special: true, parse: true }), JSON.stringify(text)).toEqual(ids[i]);
    }
  }),
);

test.skipIf(!folder)('sentences become the vectors and cosines of the reference', () =>
  withMiniLm(async (model) => {
    const messages = sentences.map((content) => ({ role: 'user' as const, content }));
    const expected = await fixtureTensors('real-minilm', 'expected');
    const found = await traceNetwork(model, processPairs(model, [{ messages, pictures: [] }]), {
      want: Object.keys(expected),
    });
    for (const [name, wanted] of Object.entries(expected)) {
      expectSame(found[name], wanted as HostArray, name, { rtol: 1e-5, atol: 0 });
    }
  }),
);
