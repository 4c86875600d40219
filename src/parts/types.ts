/**
 * The kinds of parts that a system is composed of. Each is a record of pure functions over a scope.
 *
 * B batch, T tokens, N features a picture, E encoder width, D backbone width
 */
import type { Tensor } from '../graph/index.js';
import type { Params } from '../nn/index.js';
import type { DType, Shape } from '../tensor/index.js';

/** Pictures, sounds or frames to features. */
export interface Encoder {
  readonly kind: 'encoder';
  /** Pictures [B, 3, height, width] -> features [B, N, E]. Some encoders look at further inputs, by their names. */
  forward(p: Params, pixels: Tensor, inputs: Readonly<Record<string, Tensor>>): Tensor;
  /** The size of picture that it takes, in pixels. */
  readonly image: number;
  /** Tensors of published files that are no parameters, as patterns below the part's prefix. */
  readonly buffers?: readonly string[];
}

/** Features to what the backbone reads. */
export interface InputProjector {
  readonly kind: 'input-projector';
  /** Features [B, N, E] -> [B, N', width]. */
  forward(p: Params, features: Tensor, width: number): Tensor;
}

/** What a backbone is given besides embeddings: where its tokens stand, and how they attend. */
export interface Context {
  /** Each token's place in its row, i64 [B, T]. */
  readonly positions: Tensor;
  /** Causal attention in layer `layer`. q [B, T, H*K], k and v [B, T, G*K] -> [B, T, H*K] */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, options: ContextAttention): Tensor;
}

export interface ContextAttention {
  readonly heads: number;
  readonly kvHeads: number;
  /** Default: 1 / sqrt(K). */
  readonly scale?: number;
}

/** The language model. */
export interface Backbone {
  readonly kind: 'backbone';
  readonly width: number;
  readonly vocab: number;
  readonly depth: number;
  /** Ids [B, T] -> embeddings [B, T, D]. */
  embed(p: Params, ids: Tensor): Tensor;
  /** Embeddings [B, T, D] -> hidden states after the last norm [B, T, D]. */
  forward(p: Params, embeddings: Tensor, context: Context): Tensor;
  /** Hidden states [..., D] -> scores of the next token [..., vocab]. */
  logits(p: Params, hidden: Tensor): Tensor;
  /** The longest context that positions are known for, in tokens. */
  readonly context: number;
  readonly buffers?: readonly string[];
}

/** Hidden states of the backbone to what a generator is conditioned on. */
export interface OutputProjector {
  readonly kind: 'output-projector';
  /** Hidden states [B, T, D] -> conditions [B, T', width]. */
  forward(p: Params, hidden: Tensor, width: number): Tensor;
}

/** One side of a dual encoder: pictures or texts to hidden states and one vector each. */
export interface Tower {
  readonly kind: 'tower';
  /** What it looks at. */
  readonly inputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>;
  /** Width of its vectors. */
  readonly width: number;
  forward(p: Params, inputs: Readonly<Record<string, Tensor>>): TowerStates;
  readonly buffers?: readonly string[];
}

export interface TowerStates {
  /** From the embeddings to the last block's output, [B, T, D] each. */
  readonly states: readonly Tensor[];
  /** What the family calls the last hidden state: of most after the last norm, of CLIP's pictures before it. */
  readonly last: Tensor;
  /** One vector for the whole input, [B, width]; not of towers without a pooling head. */
  readonly pooled?: Tensor;
}

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
  /** Other names of parameters in published files: ours, theirs. */
  readonly renames?: readonly (readonly (readonly [ours: string, theirs: string])[])[];
}

/** Pictures to grids of codes and back. */
export interface Quantiser {
  readonly kind: 'quantiser';
  readonly image: number;
  /** Codes in the book. */
  readonly codes: number;
  readonly shrinking: number;
  /** Pictures [B, 3, height, width] between -1 and 1 -> latents [B, D, h, w] */
  encode(p: Params, pixels: Tensor): Tensor;
  /** Latents [B, D, h, w] to the nearest codes; gradients of the result pass straight through to what was given. */
  quantise(p: Params, latents: Tensor): Quantised;
  /** Codes [B, h*w] in rows -> latents [B, D, h, w] */
  lookUp(p: Params, codes: Tensor, grid: readonly [height: number, width: number]): Tensor;
  /** Latents [B, D, h, w] -> pictures [B, 3, height, width] */
  decode(p: Params, latents: Tensor): Tensor;
  readonly renames?: readonly (readonly (readonly [ours: string, theirs: string])[])[];
}

export interface Quantised {
  /** i64 [B, h*w], row after row. */
  readonly codes: Tensor;
  /** [B, D, h, w] */
  readonly latents: Tensor;
  /** Holds latents and book to each other: scalar. */
  readonly loss: Tensor;
}
