/**
 * The parts of a generator of pictures, and how they are sampled from.
 *
 * B batch, C channels, h w size of latents, T length of a condition, D width
 */
import type { Tensor } from '../../graph/index.js';
import type { Params } from '../../nn/index.js';

/** Other names of parameters in published files: lists of which one fits, each of pairs of ours and theirs. */
type OtherNames = readonly (readonly (readonly [ours: string, theirs: string])[])[];

/** Predicts what is noise in a noisy latent picture. */
export interface Denoiser {
  readonly kind: 'denoiser';
  /** Channels of what it reads and of what it predicts. */
  readonly inputs: number;
  readonly outputs: number;
  /** Height and width that it was trained on. */
  readonly size: number;
  /** Width of the condition. */
  readonly condition: number;
  /** Noisy latents [B, inputs, h, w] at times [B] (f32) under a condition [B, T, D] -> [B, outputs, h, w] */
  forward(p: Params, noisy: Tensor, times: Tensor, condition: Tensor): Tensor;
}

/** A normal distribution over latents [B, C, h, w]. */
export interface Posterior {
  readonly mean: Tensor;
  readonly logVariance: Tensor;
}

/** Pictures to continuous latents and back. */
export interface Autoencoder {
  readonly kind: 'autoencoder';
  /** Height and width of the pictures it was trained on. */
  readonly image: number;
  /** Channels of the latents, and how many times smaller they are than pictures. */
  readonly channels: number;
  readonly shrinking: number;
  /** What a denoiser reads is (latents - shift) * scale. */
  readonly scale: number;
  readonly shift: number;
  /** Pictures [B, 3, height, width] between -1 and 1. */
  encode(p: Params, pixels: Tensor): Posterior;
  /** Latents [B, C, h, w] -> pictures [B, 3, height, width] */
  decode(p: Params, latents: Tensor): Tensor;
  readonly renames?: OtherNames;
}

/** Pictures to grids of codes and back. */
export interface Quantiser {
  readonly kind: 'quantiser';
  readonly image: number;
  /** Codes in the book. */
  readonly codes: number;
  readonly shrinking: number;
  /** Pictures [B, 3, height, width] between -1 and 1 -> latents [B, C, h, w] */
  encode(p: Params, pixels: Tensor): Tensor;
  /** Such latents to the nearest codes; gradients of the result pass straight through to what was given. */
  quantise(p: Params, latents: Tensor): Quantised;
  /** Codes [B, h*w] in rows -> latents [B, D, h, w] */
  lookUp(p: Params, codes: Tensor, grid: readonly [height: number, width: number]): Tensor;
  /** Latents [B, D, h, w] -> pictures [B, 3, height, width] */
  decode(p: Params, latents: Tensor): Tensor;
  readonly renames?: OtherNames;
}

export interface Quantised {
  /** i64 [B, h*w], row after row. */
  readonly codes: Tensor;
  /** [B, D, h, w] */
  readonly latents: Tensor;
  /** Holds latents and book to each other: scalar. */
  readonly loss: Tensor;
}

/** What a denoiser predicts of x = sqrt(a) picture + sqrt(1 - a) noise: `v` is sqrt(a) noise - sqrt(1 - a) picture. */
export type Prediction = 'epsilon' | 'sample' | 'v_prediction';

export interface NoiseSchedule {
  /** The part of a picture's variance that is left at each moment of training, falling: a in the formulas. */
  readonly kept: readonly number[];
  readonly predicts: Prediction;
  /** Of flow matching, where what is predicted is noise less picture, and no variance is kept. */
  readonly flow?: Flow;
}

/** Straight ways from pictures to noise. */
export interface Flow {
  /** What the denoiser is told at the end of a way; 0 at its beginning. */
  readonly total: number;
  /** Where a moment from 0 to 1 is moved, towards noise. */
  shifted(moment: number): number;
}

export type Latents = Float32Array<ArrayBuffer>;

/** One generation: the denoiser is asked at each of `times` in order, and each answer moves the latents on. */
export interface Sampler {
  /** Moments at which the denoiser is asked; some methods ask more often than there are steps. */
  readonly times: readonly number[];
  /** Where noise is told by its standard deviation: that at each of `times`, and where the last call leads. */
  readonly sigmas?: readonly number[];
  /** What standard normal noise is multiplied by to start. */
  readonly start: number;
  /** What the denoiser is shown at call i. */
  shown(i: number, latents: Latents): Latents;
  /** The latents after call i; `noise` gives standard normal numbers to methods that add some. */
  step(i: number, predicted: Latents, latents: Latents, noise: () => Latents): Latents;
}

export interface SamplingOptions {
  readonly steps: number;
  /** Pictures in the latents; default 1. */
  readonly batch?: number;
  /** How much of the noise of DDPM is added by DDIM, from 0 (default) to 1. */
  readonly eta?: number;
}
