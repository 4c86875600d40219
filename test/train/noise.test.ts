/** Run files that teach latent diffusion: noise, velocities, straight ways to noise. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { load, type Model, readAdapter, saveModel, traceNetwork, withAdapter } from '../../src/model/index.js';
import { denoise, type HostArrays, type LatentDiffusion } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { noisyBatches } from '../../src/train/noisy-samples.js';
import { engine, fixtureTensors } from '../fixture.js';
import { captioned } from './captioned.js';
import { pass } from './objectives.js';
import { stoppedAndResumed } from './small-runs.js';

const flow = { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000, shift: 3 };
const schedulers = { epsilon: { prediction_type: 'epsilon' }, v_prediction: {}, flow } as const;
type Kind = keyof typeof schedulers;

/** The pipeline of the fixture, which predicts velocities, or under another schedule. */
function painting(kind: Kind, settings: object = {}) {
  const learnt = { name: 'paint', train: ['unet.**'], objective: 'denoise', optimizer: { lr: 1e-2 } };
  const run = captioned({ ...learnt, ...settings }, 'stable-diffusion');
  const file = join(run.folder, 'base/scheduler/scheduler_config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...schedulers[kind] }));
  return run;
}

const open = async (folder: string): Promise<Model<LatentDiffusion>> =>
  (await load(join(folder, 'base'), { engine })) as Model<LatentDiffusion>;

async function batchesOf(folder: string, model: Model, options: object): Promise<readonly HostArrays[]> {
  const dataset = await openDataset(join(folder, 'captions.csv'));
  const source = noisyBatches(model, dataset, { batch: 4, seed: 2, ...options });
  const batches = await source.take(0);
  await source.close?.();
  await dataset.close();
  return batches;
}

const numbers = (array: HostArray | undefined): number[] => toNumbers(array as HostArray);

/** The loss by plain arithmetic over what the networks give. */
async function naive(model: Model<LatentDiffusion>, kind: Kind, batch: HostArrays): Promise<number> {
  const { pixel_values, posterior_noise, input_ids, timestep, noise } = batch as Record<string, HostArray>;
  const given = { pixel_values, posterior_noise, input_ids } as HostArrays;
  const found = await traceNetwork(model, given, { want: ['vae.sampled', 'text.last_hidden_state'] });
  const latents = numbers(found['vae.sampled']).map((x) => x * 0.18215);
  const [times, drawn] = [numbers(timestep), numbers(noise)];
  const size = latents.length / times.length;
  const partsAt = (i: number): readonly [picture: number, noise: number] => {
    const time = times[Math.floor(i / size)] as number;
    if (kind === 'flow') return [1 - time / 1000, time / 1000];
    const kept = model.network.noise.kept[time] as number;
    return [Math.sqrt(kept), Math.sqrt(1 - kept)];
  };
  const noisy = latents.map((x, i) => partsAt(i)[0] * x + partsAt(i)[1] * (drawn[i] as number));
  const wanted = latents.map((x, i) => {
    const [e, [picture, other]] = [drawn[i] as number, partsAt(i)];
    return { epsilon: e, flow: e - x, v_prediction: picture * e - other * x }[kind];
  });
  const asked = {
    sample: hostArray('f32', (noise as HostArray).shape, noisy),
    ...{ timestep, encoder_hidden_states: found['text.last_hidden_state'] },
  } as HostArrays;
  const { 'unet.sample': predicted } = await traceNetwork(model, asked, { want: ['unet.sample'] });
  const errors = numbers(predicted).map((x, i) => (x - (wanted[i] as number)) ** 2);
  return errors.reduce((sum, x) => sum + x, 0) / errors.length;
}

test.each<Kind>(['epsilon', 'v_prediction', 'flow'])(
  '%s: the loss is that of plain arithmetic, however a batch is cut',
  async (kind) => {
    const { folder } = painting(kind);
    const model = await open(folder);
    const [whole] = await batchesOf(folder, model, {});
    const wanted = await naive(model, kind, whole as HostArrays);
    const train = ['unet.conv_out.*'];
    for (const batches of [[whole as HostArrays], await batchesOf(folder, model, { microBatch: 3 })]) {
      const { loss } = await pass({ objective: denoise(), model, train }, batches);
      expect(Math.abs(loss - wanted)).toBeLessThan(1e-5 * wanted);
    }
    await model.close();
  },
);

test('moments are drawn evenly, of flow matching as the logistic of normal numbers, shifted towards noise', async () => {
  const timesOf = async (kind: Kind): Promise<number[]> => {
    const { folder } = painting(kind);
    const model = await open(folder);
    const batches = await batchesOf(folder, model, { batch: 400 });
    await model.close();
    return numbers(batches[0]?.timestep).toSorted((a, b) => a - b);
  };
  const even = await timesOf('epsilon');
  expect(even.every(Number.isInteger)).toBe(true);
  expect(Math.abs((even[200] as number) - 500)).toBeLessThan(100);
  // The median of normal numbers is 0, of its logistic 1/2, shifted 3/2 over 1 + 2/2; the upper quartile's logistic is 0.6625.
  const shifted = await timesOf('flow');
  expect(Math.abs((shifted[200] as number) - 750)).toBeLessThan(40);
  expect(Math.abs((shifted[300] as number) - 854.8)).toBeLessThan(30);
});

const mean = (some: readonly number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
const fall = (losses: readonly number[]) => mean(losses.slice(-10)) / mean(losses.slice(0, 10));

test('a run learns, goes on where it was stopped, and leaves a pipeline', async () => {
  const { folder, file } = painting('v_prediction', { steps: 40, saveEvery: 10 });
  const weights = 'unet/diffusion_pytorch_model.safetensors';
  const { losses, whole, resumed } = await stoppedAndResumed(file, { engine }, weights);
  expect(resumed).toEqual(whole);
  expect(fall(losses)).toBeLessThan(0.8);
  const out = join(folder, 'out/model');
  for (const name of [
    'model_index.json',
    'scheduler/scheduler_config.json',
    'vae/config.json',
    'tokenizer/vocab.json',
  ]) {
    expect(readFileSync(join(out, name), 'utf8')).toBe(readFileSync(join(folder, 'base', name), 'utf8'));
  }
  expect(readFileSync(join(out, 'README.md'), 'utf8')).toMatch(/library_name: diffusers.*DiffusionPipeline/s);
  const model = (await load(out, { engine })) as Model<LatentDiffusion>;
  const declared = model.declarations.get('unet.conv_in.weight');
  if (!declared) throw new Error('no unet');
  expect(numbers(await model.weights.read(declared))).toEqual(whole['conv_in.weight']);
  await model.close();
});

test('an adapter is merged into a pipeline, which its card says', async () => {
  const lora = { rank: 2, on: ['unet.**.to_q'] };
  const { folder, file } = painting('epsilon', { steps: 3, train: undefined, lora });
  await runFile(file, { engine });
  const adapter = join(folder, 'out/adapter');
  expect(readFileSync(join(adapter, 'README.md'), 'utf8')).toMatch(
    /library_name: quintet.*quintet merge BASE --adapter FOLDER -o PIPELINE.*quintet draw PIPELINE/s,
  );
  const base = await open(folder);
  const loaded = await readAdapter(adapter, base.network, base.declarations);
  await saveModel(base, join(folder, 'merged'), { merge: loaded });
  const adapted = withAdapter(base, loaded);
  const merged = await load(join(folder, 'merged'), { engine });
  const inputs = await fixtureTensors('stable-diffusion', 'inputs');
  const asked = {
    sample: inputs.sample,
    timestep: inputs.timestep,
    encoder_hidden_states: inputs.encoder_hidden_states,
  } as HostArrays;
  const predicted = async (model: Model) =>
    numbers((await traceNetwork(model, asked, { want: ['unet.sample'] }))['unet.sample']);
  const [found, expected, before] = [await predicted(merged), await predicted(adapted), await predicted(base)];
  const error = Math.max(...found.map((x, i) => Math.abs(x - (expected[i] as number))));
  expect(error).toBeLessThan(1e-5);
  expect(found).not.toEqual(before);
  for (const model of [merged, base]) await model.close();
});

test('a run of flow matching learns', async () => {
  const losses: number[] = [];
  const { file } = painting('flow', { steps: 40 });
  await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  expect(fall(losses)).toBeLessThan(0.8);
});

test('weights of the other kind of moments, and networks that paint nothing, are refused', async () => {
  const wrong = (kind: Kind, objective: object) => runFile(painting(kind, { steps: 1, objective }).file, { engine });
  await expect(wrong('flow', { kind: 'denoise', snrGamma: 5 })).rejects.toThrow(
    /snrGamma.*ways to noise are straight/s,
  );
  await expect(wrong('epsilon', { kind: 'denoise', weights: 'cosmap' })).rejects.toThrow(
    /not trained by flow matching/,
  );
  const clip = captioned({ name: 'paint', objective: 'denoise', steps: 1, optimizer: { lr: 1e-2 } }, 'clip');
  await expect(runFile(clip.file, { engine })).rejects.toThrow(/takes no noise out of pictures/);
});
