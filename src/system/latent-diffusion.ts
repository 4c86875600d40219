/**
 * Latent diffusion: texts as conditions, a network that finds the noise in latents, an autoencoder between latents and
 * pictures.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022, https://arxiv.org/abs/2112.10752
 *
 * B batch, C latent channels, h w size of latents, T length of the condition, D its width
 */
import { add, cast, div, gather, mean, mul, reshape, sqrt, sub, type Tensor, values } from '../graph/index.js';
import type { Glob, Params } from '../nn/index.js';
import type { Autoencoder, Denoiser, NoiseSchedule, Sampler, SamplingOptions } from '../parts/generators/types.js';
import type { Tower } from '../parts/types.js';
import { QuintetError, type Shape } from '../tensor/index.js';
import type { InputType, Network, Renames, Tensors } from './network.js';
import {
  countedOnce,
  errorOfEach,
  type FlowWeightName,
  flowErrors,
  flowed,
  type Objective,
  snrWeights,
} from './objectives/index.js';
import { codePictures, coderAliases, coderInputs, coderOpenAxes } from './picture-coding.js';
import type { Stage } from './stage.js';
import type { Slot } from './system.js';

export interface LatentDiffusionParts {
  readonly name: string;
  readonly paper?: string;
  readonly text: Slot<Tower>;
  readonly denoiser: Slot<Denoiser>;
  readonly autoencoder: Slot<Autoencoder>;
  readonly noise: NoiseSchedule;
  /** How pictures are sampled: as published, or by the scheduler of that name. */
  sampling(options: SamplingOptions & { readonly scheduler?: string }): Sampler;
  readonly stages?: readonly Stage[];
  readonly buffers?: readonly Glob[];
}

export interface LatentDiffusion extends Network, Omit<LatentDiffusionParts, 'name' | 'paper' | 'stages' | 'buffers'> {
  readonly kind: 'latent-diffusion';
  readonly stages: readonly Stage[];
}

/**
 * Three networks under one roof, with the names that diffusers has for what goes in and comes out. Texts: `input_ids` ->
 * `text.last_hidden_state`, `text.pooler_output`. Pictures: as `codePictures` has them. Denoising: `sample`, `timestep` and
 * `encoder_hidden_states` -> `unet.sample`.
 */
export function latentDiffusion({ stages = [], buffers = [], ...parts }: LatentDiffusionParts): LatentDiffusion {
  const { text, autoencoder } = parts;
  const result: LatentDiffusion = {
    kind: 'latent-diffusion',
    ...parts,
    stages,
    buffers: [...buffers, ...(text.part.buffers ?? []).map((glob) => `${text.prefix}.${glob}`)],
    renames: renamesOf(text.prefix, autoencoder),
    context: text.part.context,
    inputs: inputsOf(parts),
    aliases: { 'text.input_ids': 'input_ids', image: coderAliases.image },
    openAxes: { ...coderOpenAxes, sample: [2, 3] },
    groups: [
      ['input_ids'],
      Object.keys(coderInputs(autoencoder.part)),
      ['sample', 'timestep', 'encoder_hidden_states'],
    ],
    forward: (p, given) => forward(result, p, given),
  };
  return result;
}

/** Newer text encoders are stored without the level that the dual encoder needs, older autoencoders under older names. */
function renamesOf(text: string, { part, prefix }: Slot<Autoencoder>): Renames[] {
  const under = ([ours, theirs]: readonly [string, string]) => [`${prefix}.${ours}`, `${prefix}.${theirs}`] as const;
  const coders: Renames[] = [[], ...(part.renames ?? []).map((pairs) => pairs.map(under))];
  const texts: Renames[] = [[], [[text, text.split('.').slice(0, -1).join('.')]]];
  return texts.flatMap((first) => coders.map((second) => [...first, ...second]));
}

function inputsOf({ denoiser, autoencoder }: Pick<LatentDiffusionParts, 'denoiser' | 'autoencoder'>) {
  const { size, inputs, condition } = denoiser.part;
  const f32 = (...shape: Shape): InputType => ({ dtype: 'f32', shape });
  return {
    input_ids: { dtype: 'i64', shape: ['B', 'L'] },
    ...coderInputs(autoencoder.part),
    sample: f32('B', inputs, size, size),
    timestep: f32('B'),
    encoder_hidden_states: f32('B', 'T', condition),
  } satisfies Record<string, InputType>;
}

function forward({ text, denoiser, autoencoder }: LatentDiffusion, p: Params, given: Tensors): Tensors {
  const { input_ids: ids, sample, timestep, encoder_hidden_states: condition } = given;
  const outputs = codePictures(autoencoder, p, given);
  if (ids) {
    const { last, pooled } = text.part.forward(p.at(text.prefix), { input_ids: ids });
    outputs['text.last_hidden_state'] = last;
    if (pooled) outputs['text.pooler_output'] = pooled;
  }
  if (sample && timestep && condition) {
    outputs['unet.sample'] = denoiser.part.forward(p.at(denoiser.prefix), sample, timestep, condition);
  }
  return outputs;
}

/** A picture's latents [B, C, h, w] at moments of training [B], with standard normal noise: sqrt(a) x + sqrt(1 - a) e. */
export function addNoise({ kept }: NoiseSchedule, latents: Tensor, noise: Tensor, times: Tensor): Tensor {
  const { picture, other } = sharesAt(kept, latents, times);
  return add(mul(latents, picture), mul(noise, other));
}

/** What the denoiser should predict of them. */
export function denoisingTarget(
  { kept, predicts }: NoiseSchedule,
  latents: Tensor,
  noise: Tensor,
  times: Tensor,
): Tensor {
  if (predicts === 'epsilon') return noise;
  if (predicts === 'sample') return latents;
  const { picture, other } = sharesAt(kept, latents, times);
  return sub(mul(noise, picture), mul(latents, other));
}

/** The part of the variance that is left at moments [B]: [B] */
export const keptAt = ({ kept }: Pick<NoiseSchedule, 'kept'>, times: Tensor): Tensor =>
  gather(values('f32', [kept.length], kept), cast(times, 'i64'));

/** Weights of the picture and the noise at moments [B], [B, 1, 1, 1] each. */
function sharesAt(kept: readonly number[], like: Tensor, times: Tensor) {
  const shape = [like.dim(0), 1, 1, 1];
  const at = keptAt({ kept }, times);
  return { picture: reshape(sqrt(at), shape), other: reshape(sqrt(sub(1, at)), shape) };
}

/** Clean latents with the noise that is added to them, and under which condition it is to be found. */
export interface NoisyBatch {
  /** [B, C, h, w], as the denoiser reads them. */
  readonly latents: Tensor;
  readonly noise: Tensor;
  /** Moments of training [B], f32. */
  readonly times: Tensor;
  /** [B, T, D] */
  readonly condition: Tensor;
}

/**
 * The mean squared error of what the denoiser predicts: Ho et al., 2020, equation 14; with `snrGamma` weighted by `snrWeights`.
 * Of flow matching that of the velocity, weighted by `weights`. Scalar.
 */
export function diffusionLoss(
  { denoiser, noise: schedule }: Pick<LatentDiffusionParts, 'denoiser' | 'noise'>,
  p: Params,
  { latents, noise, times, condition }: NoisyBatch,
  { snrGamma, weights }: DiffusionLossOptions = {},
): Tensor {
  const at = p.at(denoiser.prefix);
  if (schedule.flow) {
    const moments = div(times, schedule.flow.total);
    const predicted = denoiser.part.forward(at, flowed(latents, noise, moments), times, condition);
    return mean(flowErrors(predicted, { latents, noise, moments }, weights));
  }
  const noisy = addNoise(schedule, latents, noise, times);
  const predicted = denoiser.part.forward(at, noisy, times, condition);
  const wanted = denoisingTarget(schedule, latents, noise, times);
  if (snrGamma === undefined) return squaredError(predicted, wanted);
  return mean(mul(errorOfEach(predicted, wanted), snrWeights(keptAt(schedule, times), schedule.predicts, snrGamma)));
}

export interface DiffusionLossOptions {
  /** Min-SNR's γ, the ratio of signal to noise up to which moments count in full; default none is weighted. diffusers' scripts call it so. */
  readonly snrGamma?: number | undefined;
  /** How moments of flow matching are weighed; default all count the same. */
  readonly weights?: FlowWeightName | undefined;
}

/**
 * Finding the noise in pictures under their texts: `pixel_values`, `posterior_noise`, `noise`, `timestep`, and a text as
 * `input_ids`, or its states as `encoder_hidden_states`.
 */
export function denoise(options: DiffusionLossOptions = {}): Objective {
  return {
    name: 'denoise',
    ...(Object.keys(options).length > 0 ? { settings: { ...options } } : {}),
    inputs: (network) => ({ noise: coderInputs(asDiffusion(network).autoencoder.part).posterior_noise }),
    loss(network, p, batch) {
      const diffusion = asDiffusion(network);
      checkWeights(diffusion, options);
      const { noise, timestep: times, input_ids: ids, encoder_hidden_states: given } = batch;
      const { part, prefix } = diffusion.text;
      const condition = ids ? part.forward(p.at(prefix), { input_ids: ids }).last : given;
      const { 'vae.sampled': sampled } = codePictures(diffusion.autoencoder, p, batch);
      if (!sampled || !noise || !times || !condition) {
        const needed = 'pixel_values, posterior_noise, noise, timestep, and input_ids or encoder_hidden_states';
        throw new QuintetError('name', `taking out noise needs ${needed}`, { at: network.name });
      }
      const { scale, shift } = diffusion.autoencoder.part;
      const noisy = { latents: mul(sub(sampled, shift), scale), noise, times, condition };
      return countedOnce(diffusionLoss(diffusion, p, noisy, options), noise.dim(0));
    },
  };
}

function asDiffusion(network: Network): LatentDiffusion {
  if (isLatentDiffusion(network)) return network;
  throw new QuintetError('unsupported', 'it takes no noise out of pictures', { at: network.name });
}

/** Weights of the one kind of moments mean nothing for the other. */
function checkWeights({ name, noise: { flow } }: LatentDiffusion, { snrGamma, weights }: DiffusionLossOptions): void {
  if (flow && snrGamma !== undefined) {
    throw new QuintetError('config', 'ways to noise are straight: there is no ratio of signal to noise to bound', {
      at: `${name}: snrGamma`,
    });
  }
  if (!flow && weights !== undefined) {
    throw new QuintetError('config', 'it is not trained by flow matching, whose moments these weights are of', {
      at: `${name}: weights`,
    });
  }
}

/** Whether a network makes pictures by itself. */
export function isLatentDiffusion(network: object): network is LatentDiffusion {
  return 'kind' in network && network.kind === 'latent-diffusion';
}

/** The mean squared difference of two tensors of one shape: scalar. */
export function squaredError(a: Tensor, b: Tensor): Tensor {
  const difference = sub(a, b);
  return mean(mul(difference, difference));
}
