/**
 * `quintet trace` of pipelines and autoencoders in diffusers' format, and of schedulers alone: what the command writes equals
 * what diffusers gave.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { load, traceNetwork } from '../../src/model/index.js';
import { rootScope } from '../../src/nn/index.js';
import { schedulers as known } from '../../src/parts/generators/schedulers/index.js';
import { pictureAutoencoder, stableDiffusion } from '../../src/recipes/index.js';
import { inputTensors, type Network } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureJson, fixturePath, fixtureTensors, withModel } from '../fixture.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { here } from './cli.js';

type Arrays = Record<string, HostArray>;
interface Scheduler extends Readonly<Record<string, unknown>> {
  readonly class: string;
  readonly call?: { readonly eta?: number };
}
interface Settings {
  readonly steps: number;
  readonly guidance: number;
  readonly prompt: string;
  readonly negative: string;
  readonly schedulers: Readonly<Record<string, Scheduler>>;
}
const settingsOf = (name: string): Settings => fixtureJson(name).settings as Settings;

/** What the command writes for a model and some inputs. */
async function traced(model: string, given: Arrays, args: readonly string[] = []): Promise<Arrays> {
  const folder = temporaryFolder();
  const [inputs, outputs] = [join(folder, 'in.safetensors'), join(folder, 'out.safetensors')];
  await writeSafetensors(inputs, Object.entries(given));
  const { code, stderr } = await here(['trace', model, '--inputs', inputs, '--outputs', outputs, ...args]);
  expect(code, stderr).toBe(0);
  return readTensors(outputs);
}

/** The scheduler of a fixture as a file of diffusers'. */
const schedulerFile = ({ class: _class_name, call: _, ...settings }: Scheduler): string =>
  temporaryFile('scheduler_config.json', { _class_name, ...settings });

const rowOf = ({ dtype, shape, data }: HostArray, row: number): HostArray => {
  const size = data.length / (shape[0] as number);
  return { dtype, shape: [1, ...shape.slice(1)], data: data.slice(row * size, (row + 1) * size) };
};

describe('stable-diffusion', async () => {
  const name = 'stable-diffusion';
  const model = `${fixturePath(name)}/model`;
  const settings = settingsOf(name);
  const [given, expected] = [await fixtureTensors(name, 'inputs'), await fixtureTensors(name, 'expected')];
  const ids = expected['text.input_ids'] as HostArray;
  const same = (found: Arrays, keys: readonly string[], rename = (key: string) => key): void => {
    for (const key of keys) expectSame(found[rename(key)], expected[key] as HostArray, key, { rtol: 2e-5, atol: 0 });
  };

  test('each network gives what the reference gives', async () => {
    const found = await traced(model, { ...given, 'text.input_ids': ids });
    same(
      found,
      Object.keys(expected).filter((key) => /^(text|unet|vae)\./.test(key) && key !== 'text.input_ids'),
    );
  });

  test('other sizes than it was trained at give what the reference gives, in each network and in painting', async () => {
    const wide = Object.entries(given).filter(([key]) => key.startsWith('wide.'));
    const { noise, ...others } = Object.fromEntries(wide.map(([key, array]) => [key.slice('wide.'.length), array]));
    const { timestep, encoder_hidden_states } = given as Arrays;
    const told = { ...others, timestep, encoder_hidden_states, noise } as Arrays;
    const prompts = { negative_prompt_ids: rowOf(ids, 0), prompt_ids: rowOf(ids, 1) };
    const args = ['--steps', String(settings.steps), '--guidance', String(settings.guidance)];
    const found = await traced(model, { ...told, ...prompts }, args);
    const keys = Object.keys(expected).filter((key) => key.startsWith('wide.'));
    expect(keys.length).toBe(8);
    same(found, keys, (key) => key.slice('wide.'.length));
  });

  test('the library takes and gives the same names, pictures of their own number among them', async () => {
    await withModel(name, async (opened) => {
      const { sample, timestep, encoder_hidden_states, image, posterior_noise } = given as Arrays;
      const asked = {
        'text.input_ids': ids,
        sample,
        timestep,
        encoder_hidden_states,
        image,
        posterior_noise,
      } as Arrays;
      const found = await traceNetwork(opened, asked);
      expect(Object.keys(found).sort()).toEqual(
        Object.keys(await traced(model, { ...given, 'text.input_ids': ids })).sort(),
      );
      same(
        found,
        Object.keys(found).filter((key) => key !== 'autoencoder.kl'),
      );
    });
  });

  test('prompts of messages have the ids and states of the reference', async () => {
    const folder = temporaryFolder();
    const [messages, outputs] = [join(folder, 'messages.json'), join(folder, 'out.safetensors')];
    const texts = [settings.negative, settings.prompt];
    writeFileSync(messages, JSON.stringify(texts.map((content) => ({ role: 'user', content }))));
    const { code, stderr } = await here(['trace', model, '--messages', messages, '--outputs', outputs]);
    expect(code, stderr).toBe(0);
    const found = await readTensors(outputs);
    expect(toNumbers(found['processed/input_ids'] as HostArray)).toEqual(toNumbers(ids));
    same(found, ['text.last_hidden_state', 'text.pooler_output']);
  });

  test.for(Object.entries(settings.schedulers))(
    'guided painting by %s passes the reference',
    async ([key, scheduler]) => {
      const { noise, noises } = given as { noise: HostArray; noises: HostArray };
      const told = { noise, noises, negative_prompt_ids: rowOf(ids, 0), prompt_ids: rowOf(ids, 1) };
      const { steps, guidance } = settings;
      const args = ['--steps', String(steps), '--guidance', String(guidance), '--scheduler', schedulerFile(scheduler)];
      const found = await traced(model, told, args);
      const ours = (wanted: string): string => wanted.replace(`tables.${key}.`, '').replace(`.${key}`, '');
      same(
        found,
        Object.keys(expected).filter((wanted) => wanted.includes(`.${key}.`) || wanted.endsWith(`.${key}`)),
        ours,
      );
      if (key === 'ddim') same(found, ['decoded', 'final_image']);
    },
  );

  test('states of prompts are taken in place of their ids, and the published scheduler where none is named', async () => {
    const states = expected['text.last_hidden_state'] as HostArray;
    const told = { noise: given.noise as HostArray, prompt_embeds: rowOf(states, 1) };
    const args = ['--steps', String(settings.steps), '--guidance', String(settings.guidance)];
    const found = await traced(model, { ...told, negative_prompt_embeds: rowOf(states, 0) }, args);
    same(found, ['latents.ddim', 'final_image'], (key) => key.replace('.ddim', ''));
  });

  test('what is missing is named', async () => {
    const run = async (inputs: Arrays, settings = ['--steps', '3'], of = model): Promise<string> => {
      const folder = temporaryFolder();
      await writeSafetensors(join(folder, 'in.safetensors'), Object.entries(inputs));
      const args = ['--inputs', join(folder, 'in.safetensors'), '--outputs', join(folder, 'out.safetensors')];
      const { code, stderr } = await here(['trace', of, ...args, ...settings]);
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await run({ prompt_ids: rowOf(ids, 1) })).toContain('--steps needs "noise"');
    expect(await run({ noise: given.noise as HostArray })).toContain('--steps needs prompt_ids or prompt_embeds');
    const flat = hostArray('f32', [1, 4, 8], new Float32Array(32));
    expect(await run({ noise: flat, prompt_ids: rowOf(ids, 1) })).toMatch(
      /noise: \[1, 4, 8\] are no latents\s+\[pictures, 4, height, width\]/,
    );
    expect(await run({}, ['--guidance', '3'])).toContain('--guidance goes with --steps N');
    const alone = `${fixturePath('clip-vision')}/model`;
    expect(await run({}, ['--steps', '3'], alone)).toContain('--steps is for diffusion pipelines');
  });
});

describe('autoencoders alone', async () => {
  const name = 'vq-vae';
  const [given, expected] = [await fixtureTensors(name, 'inputs'), await fixtureTensors(name, 'expected')];
  const wanted = { vqvae: ['encoded', 'indices', 'codebook_loss', 'decoded'], vae: ['vae.decoded', 'autoencoder.kl'] };

  test.for(Object.entries(wanted))('%s gives what the reference gives under the same names', async ([part, keys]) => {
    const path = `${fixturePath(name)}/model/${part}`;
    const found = await traced(path, given);
    for (const key of keys) expectSame(found[key], expected[key] as HostArray, key, { rtol: 2e-5, atol: 0 });
    const opened = await load(path, { engine });
    const taken = part === 'vae' ? ['image', 'latent', 'noise'] : ['image'];
    const own = await traceNetwork(opened, Object.fromEntries(taken.map((key) => [key, given[key] as HostArray])));
    await opened.close();
    expect(Object.keys(own).sort()).toEqual(Object.keys(found).sort());
  });

  test('an autoencoder alone has the names that it has in a pipeline', () => {
    const outputs = (network: Network) => Object.keys(network.forward(rootScope().p, inputTensors(network.inputs)));
    const inPipeline = outputs(stableDiffusion('tiny')).filter((key) => !/^(text|unet)\./.test(key));
    expect(outputs(pictureAutoencoder('tiny'))).toEqual(inPipeline);
  });
});

describe('schedulers', async () => {
  const name = 'schedulers';
  const { steps, schedulers } = settingsOf(name);
  const [given, expected] = [await fixtureTensors(name, 'inputs'), await fixtureTensors(name, 'expected')];
  const ours = Object.entries(schedulers).filter(([, { class: className }]) => Object.hasOwn(known, className));

  test.for(ours)('%s passes the reference moments and latents', async ([key, scheduler]) => {
    // The prediction of call i is predictions[i] and half of what the network is shown.
    const response = hostArray('f32', [], [0.5]);
    const { eta } = scheduler.call ?? {};
    const args = ['--steps', String(steps), ...(eta === undefined ? [] : ['--eta', String(eta)])];
    const found = await traced(schedulerFile(scheduler), { ...given, response }, args);
    const wanted = Object.keys(expected).filter((other) => other.endsWith(`.${key}`));
    expect(wanted.length).toBeGreaterThan(1);
    for (const full of wanted) {
      const kind = full.slice(0, -key.length - 1);
      const numbers = expected[full] as HostArray;
      const rtol = kind === 'alphas_cumprod' ? 4e-7 : 2e-6;
      expectSame(kind === 'alphas_cumprod' ? thinned(found[kind], numbers) : found[kind], numbers, full, {
        rtol,
        atol: 0,
      });
    }
  });
});

/** As many evenly chosen numbers as there are wanted. */
function thinned(array: HostArray | undefined, { shape: [count = 1] }: HostArray): HostArray {
  const all = toNumbers(array as HostArray);
  const stride = Math.ceil(all.length / count);
  return hostArray(
    'f32',
    [count],
    all.filter((_, i) => i % stride === 0),
  );
}
