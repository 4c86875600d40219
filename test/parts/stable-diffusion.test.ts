import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FolderFiles } from '../../src/checkpoint/index.js';
import { captionReader, Painter } from '../../src/model/diffuse.js';
import { load } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { stableDiffusion } from '../../src/recipes/stable-diffusion.js';
import { declarationsOf, type LatentDiffusion, parameterCount } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';

const name = 'stable-diffusion';
let model: Model<LatentDiffusion>;
let given: Record<string, HostArray>;
let expected: Record<string, HostArray>;

beforeAll(async () => {
  model = (await load(`${fixturePath(name)}/model`, { engine })) as Model<LatentDiffusion>;
  given = await fixtureTensors(name, 'inputs');
  expected = await fixtureTensors(name, 'expected');
});
afterAll(() => model.close());

test('a long prompt is cut, and its end token stays', () => {
  const ids = expected['text.input_ids'] as HostArray;
  const long = captionReader(model.files as FolderFiles, model.network)([new Array(40).fill('red').join(' ')]);
  expect(long.shape).toEqual([1, ids.shape[1]]);
  expect(Number(long.data.at(-1))).toBe(Number(ids.data.at(-1)));
});

test('one seed paints one picture, another seed another', async () => {
  const painter = new Painter(model, model.network);
  const condition = given.encoder_hidden_states as HostArray;
  const paint = async (seed: number): Promise<number[]> =>
    toNumbers(await painter.paint({ condition, steps: 2, seed }));
  const [first, again, other] = [await paint(1), await paint(1), await paint(2)];
  await painter.close();
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

test('what is not finite is an error, and no black picture', async () => {
  const painter = new Painter(model, model.network);
  const condition = given.encoder_hidden_states as HostArray;
  const noise = (_: number, size: number) => new Float32Array(size).fill(Number.NaN);
  const latents = await painter.latents({ condition, steps: 1 });
  const spoilt = { ...latents, data: noise(0, latents.data.length) };
  const failures = [painter.paint({ condition, steps: 2, noise }), painter.show(spoilt)];
  for (const [i, failure] of (await Promise.allSettled(failures)).entries()) {
    const message = ['the latents of step 1 are not finite', 'the numbers of the picture are not finite'][i];
    expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'numeric' } });
    expect(`${(failure as PromiseRejectedResult).reason}`).toContain(message);
  }
  await painter.close();
});

test('painting stops when it is told to', async () => {
  const painter = new Painter(model, model.network);
  const stop = new AbortController();
  let calls = 0;
  const painted = painter.paint({
    condition: given.encoder_hidden_states as HostArray,
    steps: 5,
    signal: stop.signal,
    onStep: () => {
      calls++;
      stop.abort();
    },
  });
  await expect(painted).rejects.toMatchObject({ code: 'aborted' });
  expect(calls).toBe(1);
  await painter.close();
});

test('published sizes hold as many numbers as the published files', () => {
  const counts = (size: '1.5' | '2.1-base') => {
    const declared = [...declarationsOf(stableDiffusion(size)).values()];
    return ['text_encoder', 'unet', 'vae'].map((part) =>
      parameterCount(declared.filter(({ name }) => name.startsWith(`${part}.`))),
    );
  };
  expect(counts('1.5')).toEqual([123_060_480, 859_520_964, 83_653_863]);
  expect(counts('2.1-base')).toEqual([340_387_840, 865_910_724, 83_653_863]);
});
