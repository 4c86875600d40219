/**
 * `quintet trace --steps`: what latents pass on their way from given noise to a picture, and a scheduler alone.
 *
 * B pictures, N calls of the denoiser, C latent channels, h w size of latents, L tokens, T D length and width of a condition
 */
import { readJson } from '../checkpoint/index.js';
import { type Model, Painter, traceNetwork } from '../model/index.js';
import { readNoise, readSampling } from '../parts/generators/schedulers/index.js';
import type { Sampler } from '../parts/generators/types.js';
import type { HostArrays, LatentDiffusion } from '../system/index.js';
import {
  castArray,
  concatRows,
  type Fields,
  fields,
  type HostArray,
  hostArray,
  QuintetError,
  toNumbers,
} from '../tensor/index.js';
import { UsageError } from './failures.js';

export interface SamplingSettings {
  readonly steps?: number;
  /** The name of another scheduler than the published one, or a `scheduler_config.json` of its own. */
  readonly scheduler?: string;
  /** How far the prediction goes beyond that of the negative prompt; default 7.5. */
  readonly guidance?: number;
  readonly eta?: number;
}

/** Settings that nothing is done with are a mistake in the call. */
export function refuseUnused({ steps, ...others }: SamplingSettings, samples: boolean): void {
  if (steps !== undefined && !samples) throw new UsageError('--steps is for diffusion pipelines and schedulers');
  const unused = (['scheduler', 'guidance', 'eta'] as const).find((name) => others[name] !== undefined);
  if (steps === undefined && unused !== undefined) throw new UsageError(`--${unused} goes with --steps N`);
}

/** What sampling reads of the given tensors; the networks by themselves take the others. */
export const samplingInputs = [
  ...['noise', 'noises', 'prompt_ids', 'negative_prompt_ids', 'prompt_embeds', 'negative_prompt_embeds'],
];

/** What it makes of them. */
export const samplingOutputs = ['latents', 'timesteps', 'sigmas', 'decoded', 'final_image'];

/**
 * From standard normal `noise` [B, C, h, w], and `noises` [N, B, C, h, w] for schedulers that add some, under `prompt_ids`
 * [B, L] or `prompt_embeds` [B, T, D], guided away from the negative ones where they are given: `latents` [N, B, C, h, w] after
 * each call, `timesteps` [N], `sigmas` [N + 1] of schedulers that have them, and the picture as `decoded` and, between 0 and 1,
 * `final_image`.
 */
export async function tracePainting(
  model: Model<LatentDiffusion>,
  given: HostArrays,
  settings: SamplingSettings,
  signal: AbortSignal,
): Promise<HostArrays> {
  const { steps, guidance, eta = 0 } = settings;
  if (steps === undefined) return {};
  const noise = inputNamed(given, 'noise');
  const sampling = await samplingOf(model.network, settings.scheduler);
  const painter = new Painter(model, { ...model.network, sampling }, { size: pixelsOf(model.network, noise) });
  const conditionOf = (prompt: string): Promise<HostArray> | HostArray | undefined => {
    const ids = given[`${prompt}_ids`];
    return ids ? painter.read(castArray(ids, 'i64')) : given[`${prompt}_embeds`];
  };
  try {
    const condition = await conditionOf('prompt');
    if (!condition) throw new UsageError('--steps needs prompt_ids or prompt_embeds among the inputs');
    const passed: HostArray[] = [];
    const latents = await painter.latents({
      ...{ condition, against: await conditionOf('negative_prompt'), steps, eta, signal },
      ...(guidance === undefined ? {} : { guidance }),
      noise: (draw, size) => (draw === 0 ? toNumbers(noise) : drawOf(given, draw - 1, size)),
      onStep: ({ latents: { dtype, shape, data } }) => passed.push({ dtype, shape: [1, ...shape], data: data.slice() }),
    });
    const { scale, shift } = model.network.autoencoder.part;
    const unscaled = Float32Array.from(toNumbers(latents), (x) => x / scale + shift);
    const { 'vae.decoded': decoded } = await traceNetwork(
      model,
      { latents: hostArray('f32', latents.shape, unscaled) },
      { signal },
    );
    return {
      ...{
        latents: concatRows(passed),
        decoded: decoded as HostArray,
        final_image: await painter.show(latents, signal),
      },
      ...tablesOf(sampling({ steps, batch: noise.shape[0] as number, eta })),
    };
  } finally {
    await painter.close();
  }
}

/** Height and width of the pictures that latents [B, C, h, w] become. */
function pixelsOf({ autoencoder, denoiser }: LatentDiffusion, { shape }: HostArray): readonly [number, number] {
  const { channels, shrinking } = autoencoder.part;
  const [, own, height, width] = shape;
  if (shape.length === 4 && own === channels && height && width) return [height * shrinking, width * shrinking];
  const { size } = denoiser.part;
  throw new QuintetError('shape', `[${shape.join(', ')}] are no latents`, {
    ...{ at: 'noise', hint: `[pictures, ${channels}, height, width], such as [1, ${channels}, ${size}, ${size}]` },
  });
}

/**
 * A `scheduler_config.json` without networks, from `noise` and `noises` as above: `latents`, `timesteps`, `sigmas` or, of
 * schedulers that count in moments of training, `alphas_cumprod`. The denoiser's answer to a call is the row of `predictions`
 * [N, B, C, h, w], and `response` (a scalar, default 0) times what it is shown.
 */
export async function traceScheduler(
  file: string,
  given: HostArrays,
  { steps, scheduler, eta = 0 }: SamplingSettings,
): Promise<HostArrays> {
  if (steps === undefined) throw new UsageError('a scheduler is traced with --steps N');
  const config = await readConfig(file);
  const noise = inputNamed(given, 'noise');
  const predictions = inputNamed(given, 'predictions');
  const [response = 0] = given.response ? toNumbers(given.response) : [];
  const sampler = readSampling(config)({
    steps,
    eta,
    batch: noise.shape[0] as number,
    ...(scheduler ? { scheduler } : {}),
  });
  let latents = Float32Array.from(toNumbers(noise), (x) => x * sampler.start);
  let draws = 0;
  const passed = sampler.times.map((_, call): HostArray => {
    const shown = sampler.shown(call, latents);
    const predicted = rowOf(predictions, call, latents.length).map((x, i) => x + response * (shown[i] as number));
    latents = sampler.step(call, predicted, latents, () => drawOf(given, draws++, latents.length));
    return hostArray('f32', [1, ...noise.shape], latents.slice());
  });
  const tables = tablesOf(sampler);
  const { kept } = readNoise(config);
  const moments = tables.sigmas ? {} : { alphas_cumprod: hostArray('f32', [kept.length], kept) };
  return { latents: concatRows(passed), ...tables, ...moments };
}

/** Sampling as published, by the scheduler of another name, or as another configuration sets it up. */
async function samplingOf(
  { sampling }: LatentDiffusion,
  scheduler: string | undefined,
): Promise<LatentDiffusion['sampling']> {
  if (scheduler === undefined) return sampling;
  if (isSchedulerFile(scheduler)) return readSampling(await readConfig(scheduler));
  return (options) => sampling({ ...options, scheduler });
}

export const isSchedulerFile = (path: string): boolean => path.endsWith('.json');

async function readConfig(file: string): Promise<Fields> {
  return fields(await readJson(file), file);
}

function tablesOf({ times, sigmas }: Sampler): HostArrays {
  return {
    timesteps: hostArray('f32', [times.length], times),
    ...(sigmas ? { sigmas: hostArray('f32', [sigmas.length], sigmas) } : {}),
  };
}

function inputNamed(given: HostArrays, name: string): HostArray {
  const found = given[name];
  if (found) return found;
  throw new QuintetError('name', `--steps needs "${name}" among the inputs`, {
    hint: `given: ${Object.keys(given).join(', ')}`,
  });
}

const drawOf = (given: HostArrays, draw: number, size: number): Float32Array<ArrayBuffer> =>
  rowOf(inputNamed(given, 'noises'), draw, size);

/** The numbers of a row, of which there must be enough. */
function rowOf({ shape, ...array }: HostArray, row: number, size: number): Float32Array<ArrayBuffer> {
  const numbers = toNumbers({ shape, ...array }).slice(row * size, (row + 1) * size);
  if (numbers.length === size) return Float32Array.from(numbers);
  throw new QuintetError('shape', `[${shape.join(', ')}] has no row ${row} of ${size} numbers`, { at: 'inputs' });
}
