/** Angles of rotary positions against those of transformers: every scaling, at lengths within and beyond the trained one. */
import { expect, test } from 'vitest';
import { graph, input } from '../../src/graph/index.js';
import { readRotary, rotaryAngles } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/index.js';
import { readPhi3 } from '../../src/parts/backbones/phi3.js';
import { fields, type HostArray } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureJson, fixtureTensors } from '../fixture.js';

const configs = Object.entries(fixtureJson('rotary', 'configs.json'));
const given = await fixtureTensors('rotary', 'inputs');
const expected = await fixtureTensors('rotary', 'expected');

test.each(configs)('angles are those of transformers: %s', async (name, raw) => {
  const config = fields(raw, 'config.json');
  const width = config.whole('head_dim', config.whole('hidden_size') / config.whole('num_attention_heads'));
  const { rotary = readRotary(config) } = config.text('model_type') === 'phi3' ? readPhi3(config) : {};
  const { cosines, sines } = rotaryAngles({ positions: input('positions', 'i64', ['B', 'T']) }, width, rotary);
  const session = await engine.createSession(lower(graph('angles', { cosines, sines })));
  try {
    for (const length of ['short', 'long']) {
      const found = await session.run({ positions: given[`positions/${length}`] as HostArray });
      for (const kind of ['cosines', 'sines'] as const) {
        const wanted = expected[`${kind}/${name}/${length}`] as HostArray;
        expectSame(found[kind], wanted, `${kind} of ${length} rows`, { rtol: 0, atol: 3e-5 });
      }
    }
  } finally {
    await session.close();
  }
});

test('no two of the scalings are alike beyond the trained length', () => {
  const seen = configs.map(([name]) => Buffer.from((expected[`sines/${name}/long`] as HostArray).data.buffer));
  const texts = seen.map((bytes) => bytes.toString('hex'));
  expect(new Set(texts).size).toBe(configs.length);
});
