import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FolderFiles } from '../../src/checkpoint/index.js';
import { captionIds, Painter } from '../../src/model/diffuse.js';
import { load } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { traceNetwork } from '../../src/model/trace.js';
import { readSampling, schedulers } from '../../src/parts/generators/schedulers/index.js';
import { stableDiffusion } from '../../src/recipes/stable-diffusion.js';
import { declarationsOf, type LatentDiffusion, parameterCount } from '../../src/system/index.js';
import { castArray, fields, type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureJson, fixturePath, fixtureTensors } from '../fixture.js';

const name = 'stable-diffusion';
interface Settings {
  readonly steps: number;
  readonly guidance: number;
  readonly prompt: string;
  readonly negative: string;
  readonly schedulers: Readonly<Record<string, { readonly class: string }>>;
}
const settings = fixtureJson(name).settings as Settings;
let model: Model<LatentDiffusion>;
let given: Record<string, HostArray>;
let expected: Record<string, HostArray>;

beforeAll(async () => {
  model = (await load(`${fixturePath(name)}/model`, { engine })) as Model<LatentDiffusion>;
  given = await fixtureTensors(name, 'inputs');
  expected = await fixtureTensors(name, 'expected');
});
afterAll(() => model.close());

const same = (actual: HostArray | undefined, key: string): void =>
  expectSame(actual, expected[key] as HostArray, key, { rtol: 2e-5, atol: 0 });

test('the UNet predicts what the reference predicts', async () => {
  const { predicted } = await traceNetwork(model, {
    noisy: given.sample as HostArray,
    timestep: castArray(given.timestep as HostArray, 'f32'),
    encoder_hidden_states: given.encoder_hidden_states as HostArray,
  });
  same(predicted, 'unet.sample');
});

test('texts have the states of the reference, padding being read like words', async () => {
  const outputs = await traceNetwork(model, { input_ids: expected['text.input_ids'] as HostArray });
  same(outputs.text_states, 'text.last_hidden_state');
  same(outputs.text_pooled, 'text.pooler_output');
});

test('pictures become the latents of the reference, and latents its pictures', async () => {
  const outputs = await traceNetwork(model, {
    pixel_values: given.image as HostArray,
    posterior_noise: given.posterior_noise as HostArray,
    latents: expected['vae.sampled'] as HostArray,
  });
  same(outputs.mean, 'vae.mean');
  same(outputs.log_variance, 'vae.logvar');
  same(outputs.sampled, 'vae.sampled');
  same(outputs.decoded, 'vae.decoded');
});

test('prompts have the ids of the reference', () => {
  const { prompt, negative } = settings;
  const ids = captionIds(model.files as FolderFiles, [negative, prompt]);
  expect(toNumbers(ids)).toEqual(toNumbers(expected['text.input_ids'] as HostArray));
  const long = captionIds(model.files as FolderFiles, [new Array(40).fill('red').join(' ')]);
  expect(long.shape).toEqual([1, ids.shape[1]]);
  expect(Number(long.data.at(-1))).toBe(Number(ids.data.at(-1)));
});

/** One text's part of states [2, T, D]. */
function half(states: HostArray, row: number): HostArray {
  const size = states.data.length / 2;
  const data = Float32Array.from(toNumbers(states).slice(row * size, (row + 1) * size));
  return { dtype: 'f32', shape: [1, ...states.shape.slice(1)], data };
}

const draws = (draw: number, size: number): number[] =>
  draw === 0
    ? toNumbers(given.noise as HostArray)
    : toNumbers(given.noises as HostArray).slice((draw - 1) * size, draw * size);

describe('guided painting passes the latents of the reference', () => {
  test.for(Object.entries(settings.schedulers))('by %s', async ([key, { class: scheduler, ...options }]) => {
    expect(Object.keys(schedulers)).toContain(scheduler);
    const sampling = readSampling(fields({ _class_name: scheduler, ...options }, key));
    const painter = new Painter(model, { ...model.network, sampling });
    const states = await painter.read(expected['text.input_ids'] as HostArray);
    const passed: number[] = [];
    const latents = await painter.latents({
      condition: half(states, 1),
      against: half(states, 0),
      guidance: settings.guidance,
      steps: settings.steps,
      noise: draws,
      onStep: (progress) => passed.push(...toNumbers(progress.latents)),
    });
    const wanted = expected[`latents.${key}`] as HostArray;
    same({ dtype: 'f32', shape: wanted.shape, data: Float32Array.from(passed) }, `latents.${key}`);
    if (key === 'ddim') same(await painter.show(latents), 'final_image');
    await painter.close();
  });
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
  await expect(painted).rejects.toThrow('abort');
  expect(calls).toBe(1);
  await painter.close();
});

test('published sizes hold as many numbers as the published files', () => {
  const counts = (size: '1.5' | '2.1') => {
    const declared = [...declarationsOf(stableDiffusion(size)).values()];
    return ['text_encoder', 'unet', 'vae'].map((part) =>
      parameterCount(declared.filter(({ name }) => name.startsWith(`${part}.`))),
    );
  };
  expect(counts('1.5')).toEqual([123_060_480, 859_520_964, 83_653_863]);
  expect(counts('2.1')).toEqual([340_387_840, 865_910_724, 83_653_863]);
});
