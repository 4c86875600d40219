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

test.each([
  [{ rope_type: 'yarn' }, 'expected a number, got nothing'],
  [{ rope_type: 'yarn', factor: -1 }, 'expected a number above 0, got -1'],
  [{ rope_type: 'linear', factor: 0 }, 'expected a number above 0, got 0'],
  [{ rope_type: 'dynamic', factor: -1 }, 'expected a number above 0, got -1'],
  [{ rope_type: 'longrope', factor: -1, short_factor: [1], long_factor: [1] }, 'expected a number above 0, got -1'],
])('%j is no scaling', (rope_scaling, message) => {
  const config = fields({ rope_scaling, max_position_embeddings: 64 }, 'config.json');
  expect(() => readRotary(config)).toThrow(`config.json: rope_scaling.factor: ${message}`);
});

test('factors of another number than there are wavelengths are told with their file and field', () => {
  const rope_scaling = { rope_type: 'longrope', factor: 2, short_factor: [1, 1], long_factor: [1] };
  const rotary = readRotary(fields({ rope_scaling, max_position_embeddings: 64 }, 'config.json'));
  expect(() => rotaryAngles({ positions: input('positions', 'i64', ['B', 'T']) }, 4, rotary)).toThrow(
    'config.json: rope_scaling: long_factor: 1 factors for 2 rotary wavelengths',
  );
});
