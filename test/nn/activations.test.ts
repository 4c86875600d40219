import { expect, test } from 'vitest';
import { graph, input } from '../../src/graph/index.js';
import { activations } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureTensors } from '../fixture.js';

test('activations are those that transformers has under their names', async () => {
  const { x } = (await fixtureTensors('activations', 'inputs')) as { x: HostArray };
  const expected = await fixtureTensors('activations', 'expected');
  expect(Object.keys(expected).sort()).toEqual(Object.keys(activations).sort());
  const given = input('x', 'f32', x.shape);
  const outputs = Object.fromEntries(Object.entries(activations).map(([name, activate]) => [name, activate(given)]));
  const session = await engine.createSession(lower(graph('activations', outputs)));
  try {
    const found = await session.run({ x });
    for (const [name, wanted] of Object.entries(expected))
      expectSame(found[name], wanted, name, { rtol: 1e-6, atol: 0 });
  } finally {
    await session.close();
  }
});
