/** What is remembered of pictures that were seen. */
import { expect, onTestFinished, test } from 'vitest';
import type { Picture } from '../../src/media/index.js';
import { asSystem, createProcessor, load, VisionSession } from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { HostArray } from '../../src/tensor/index.js';
import { engine, fixturePath } from '../fixture.js';

test('features are remembered up to a number of bytes, those seen last and at least one', async () => {
  let [looks, mebibytes] = [0, 0];
  const seeing: Engine = {
    ...engine,
    async createSession(model, options) {
      const session = await engine.createSession(model, options);
      const run = async () => {
        looks++;
        const data = new Float32Array(mebibytes * 2 ** 18);
        return { features: { dtype: 'f32', shape: [data.length, 1], data } satisfies HostArray };
      };
      return { inputs: session.inputs, outputs: session.outputs, run, close: () => session.close() };
    },
  };
  const model = asSystem(await load(`${fixturePath('llava')}/model`, { engine: seeing }));
  const vision = await VisionSession.open(model);
  onTestFinished(async () => {
    await vision.close();
    await model.close();
  });
  const processor = createProcessor(model);
  const [a, b, c] = [1, 2, 3].map((level): Picture => {
    return { width: 8, height: 8, data: new Uint8Array(3 * 64).fill(level) };
  }) as [Picture, Picture, Picture];
  /** How many of the pictures are looked at, one after the other. */
  const lookedAt = async (...pictures: Picture[]): Promise<number> => {
    const before = looks;
    for (const picture of pictures) await vision.see(picture, processor);
    return looks - before;
  };
  mebibytes = 96;
  expect(await lookedAt(a, b, a, c)).toBe(3);
  expect(await lookedAt(a, c)).toBe(0);
  expect(await lookedAt(b)).toBe(1);
  mebibytes = 300;
  expect(await lookedAt(a, a)).toBe(1);
  expect(await lookedAt(b, a)).toBe(2);
});
