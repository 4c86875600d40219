/** Published weights of EfficientNet-Lite0, where `scripts/fetch-weights.ts` has fetched them, against PyTorch. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { load, traceNetwork } from '../../src/model/index.js';
import { recipeNamed } from '../../src/recipes/index.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureTensors } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { publishedWeights, weightsOf } from '../weights.js';

const folder = weightsOf('efficientnet-lite0');
const [file] = Object.keys(publishedWeights['efficientnet-lite0'].files) as [string];

test('the published size, counted with the statistics of its normalisations', () => {
  const lite0 = recipeNamed('efficientnet-lite').of('lite0');
  // 4,652,008 that learn, and a mean and a variance for each of 21,008 channels.
  expect(parameterCount(declarationsOf(lite0).values())).toBe(4_652_008 + 2 * 21_008);
});

test.runIf(folder)('a .pth file is read as it is, and gives what it gives in PyTorch', async () => {
  const model = temporaryFolder({ 'config.json': { model_type: 'quintet_efficientnet_lite' } });
  copyFileSync(join(folder as string, file), join(model, file));
  const { pictures } = (await fixtureTensors('real-efficientnet-lite0', 'inputs')) as { pictures: HostArray };
  const expected = await fixtureTensors('real-efficientnet-lite0', 'expected');
  const loaded = await load(model, { engine });
  const given = await traceNetwork(loaded, { pixel_values: pixelsOf(pictures) });
  await loaded.close();
  for (const [name, wanted] of Object.entries(expected)) {
    expectSame(firstOf(given[name] as HostArray, wanted.shape), wanted, name, { rtol: 2e-5, atol: 0 });
  }
});

/** Pictures [M, h, w, 3] of bytes as the network takes them: [M, 3, h, w], (x - 127) / 128. */
function pixelsOf({ shape, data }: HostArray): HostArray {
  const [count, height, width] = shape as [number, number, number];
  const values = Array.from({ length: count * 3 * height * width }, (_, i) => {
    const [place, channel] = [i % (height * width), Math.floor(i / (height * width)) % 3];
    const picture = Math.floor(i / (3 * height * width));
    return ((data[(picture * height * width + place) * 3 + channel] as number) - 127) / 128;
  });
  return hostArray('f32', [count, 3, height, width], values);
}

/** The first pictures and channels of an array. */
function firstOf(array: HostArray, shape: readonly number[]): HostArray {
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  const [count, channels] = shape as [number, number];
  const all = toNumbers(array);
  const values = Array.from({ length: count * channels * inner }, (_, i) => {
    const [picture, rest] = [Math.floor(i / (channels * inner)), i % (channels * inner)];
    return all[picture * (array.shape[1] as number) * inner + rest] as number;
  });
  return hostArray('f32', shape, values);
}
