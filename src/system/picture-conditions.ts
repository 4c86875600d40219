/**
 * Pictures that a generator paints as a backbone says: the hidden states of signal tokens become its condition.
 *
 * Koh et al., "Generating Images with Multimodal Language Models", 2023, https://arxiv.org/abs/2305.17216; Wu et al., "NExT-GPT",
 * 2023, https://arxiv.org/abs/2309.05519
 *
 * B rows, T tokens, S signal tokens, D backbone width, C latent channels, h w size of latents
 */
import {
  add,
  argMax,
  cast,
  concat,
  equal,
  expand,
  gather,
  gatherND,
  matmul,
  minimum,
  mul,
  range,
  select,
  sizeAs,
  slice,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
} from '../graph/index.js';
import { type Glob, linear, type Params } from '../nn/index.js';
import type { OutputProjector } from '../parts/types.js';
import { addDims, type Dim, QuintetError, type Shape } from '../tensor/index.js';
import { type Matching, normalised, softmaxMatching } from './dual-encoder.js';
import { diffusionLoss, type LatentDiffusion, squaredError } from './latent-diffusion.js';
import type { InputType, Tensors } from './network.js';
import type { Objective } from './objectives/index.js';
import { codePictures } from './picture-coding.js';
import type { Slot } from './system.js';

export interface PictureConditionParts {
  /** Ids of the signal tokens, which stand behind each other in this order where a picture is to be painted. */
  readonly tokens: readonly number[];
  readonly projector: Slot<OutputProjector>;
  readonly generator: Slot<LatentDiffusion>;
  /** How pictures are found again by what is said of them. */
  readonly retrieval?: Retrieval;
}

/** Both sides as vectors of one space: linear layers of the first signal token's state and of a picture's first feature. */
export interface Retrieval {
  readonly width: number;
  /** Prefixes of the layers. */
  readonly said: string;
  readonly seen: string;
  /** Default that of CLIP. */
  readonly matching?: Matching;
}

export interface PictureCondition extends PictureConditionParts {
  readonly kind: 'condition';
  readonly buffers: readonly Glob[];
}

export function pictureCondition(parts: PictureConditionParts): PictureCondition {
  const { part, prefix } = parts.generator;
  return { kind: 'condition', ...parts, buffers: (part.buffers ?? []).map((glob) => `${prefix}.${glob}`) };
}

/**
 * What a system with such pictures may be given besides, for its first C rows: a caption to agree with, a picture to learn to
 * paint. Rows after them say no picture.
 */
export function conditionInputs({ generator }: PictureCondition): Record<string, InputType> {
  const { channels, image, shrinking } = generator.part.autoencoder.part;
  const small = image / shrinking;
  const f32 = (...shape: Shape): InputType => ({ dtype: 'f32', shape });
  return {
    caption_ids: { dtype: 'i64', shape: ['C', 'L'] },
    target_pixels: f32('C', 3, image, image),
    posterior_noise: f32('C', channels, small, small),
    noise: f32('C', channels, small, small),
    timestep: f32('C'),
    latents: f32('B', channels, small, small),
  };
}

/** The rows' tokens, what the backbone made of them, and what it was given for them. */
export interface Spoken {
  readonly ids: Tensor;
  readonly hidden: Tensor;
  readonly words: Tensor;
  /** Features [M, N, E] of the pictures among them. */
  readonly seen?: Tensor | undefined;
}

/** What the signal tokens of the first rows are to the backbone: states and embeddings [C, S, D]. */
function signalsOf(tokens: readonly number[], { ids, hidden, words }: Spoken, rows: Dim) {
  const length = ids.dim(1);
  const count = tokens.length;
  const first = argMax(cast(equal(ids, tokens[0] as number), 'i32'), 1); // [B]
  const which = range(0, rows); // [C]
  const last = range(addDims(length, -1), length); // [1]
  const places = minimum(add(unsqueeze(gather(first, which), 1), range(0, count)), last); // [C, S]
  const row = expand(unsqueeze(unsqueeze(which, 1), 2), [rows, count, 1]);
  const at = concat([row, unsqueeze(places, 2)], 2); // [C, S, 2]
  return { states: gatherND(hidden, at), words: gatherND(words, at) };
}

/**
 * `image_condition` of what was said; with `caption_ids` the `alignment_loss` between it and the caption's states, and where
 * pictures are seen besides, one a caption, the `retrieval_loss` of finding each other; with `target_pixels`, `posterior_noise`, `noise` and `timestep` the `diffusion_loss` under it; `latents` -> `decoded`.
 */
export function conditionOutputs(
  output: PictureCondition,
  p: Params,
  spoken: Spoken,
  given: Tensors,
): Record<string, Tensor> {
  const { part, prefix } = output.generator;
  const { caption_ids: caption, target_pixels: pixels, noise, timestep: times, latents, posterior_noise } = given;
  const at = p.at(prefix);
  const { projector, retrieval } = output;
  const signals = signalsOf(output.tokens, spoken, (caption ?? pixels ?? spoken.ids).dim(0));
  const { condition: width } = part.denoiser.part;
  const condition = projector.part.forward(p.at(projector.prefix), signals.states, width, signals.words);
  const outputs: Record<string, Tensor> = { image_condition: condition };
  if (retrieval)
    Object.assign(outputs, retrieved(retrieval, p, signals.states, { seen: spoken.seen, pairs: !!caption }));
  if (caption) {
    const { last } = part.text.part.forward(at.at(part.text.prefix), { input_ids: caption });
    outputs.alignment_loss = squaredError(condition, slice(last, 1, 0, condition.dim(1)));
  }
  const { scale, shift } = part.autoencoder.part;
  const pictures = {
    ...(pixels ? { pixel_values: pixels } : {}),
    ...(posterior_noise ? { posterior_noise } : {}),
    ...(latents ? { latents } : {}),
  };
  const { 'vae.sampled': sampled, 'vae.decoded': decoded } = codePictures(part.autoencoder, at, pictures);
  if (latents && decoded) outputs.decoded = decoded;
  if (sampled && noise && times) {
    const batch = { latents: mul(sub(sampled, shift), scale), noise, times, condition };
    outputs.diffusion_loss = diffusionLoss(part, at, batch);
  }
  return outputs;
}

/** `said_embeds` [C, R] of what is said and `image_embeds` [M, R] of what is seen, both of length 1, and how well they fit. */
function retrieved(
  { width, said, seen: looks, matching = softmaxMatching() }: Retrieval,
  p: Params,
  states: Tensor,
  { seen, pairs }: { readonly seen: Tensor | undefined; readonly pairs: boolean },
): Record<string, Tensor> {
  const texts = normalised(linear(p.at(said), select(states, 1, 0), width));
  if (!seen) return { said_embeds: texts };
  const pictures = normalised(linear(p.at(looks), select(seen, 1, 0), width));
  const scores = matching.scores(p, matmul(texts, transpose(pictures)));
  const loss = pairs ? { retrieval_loss: matching.loss(scores) } : {};
  return { said_embeds: texts, image_embeds: pictures, retrieval_scores: scores, ...loss };
}

export interface PaintingWeights {
  /** Of the agreement with the caption's states; default 1. */
  readonly align?: number;
  /** Of the noise that the frozen denoiser finds under the condition; default 1. */
  readonly diffuse?: number;
  /** Of the next words, signal tokens among them; default 1. */
  readonly speak?: number;
  /** Of finding the picture that is meant among those of the batch; default 0. */
  readonly retrieve?: number;
}

/** Saying what to paint: GILL, section 3, with `retrieve` in place of `diffuse`; NExT-GPT, section 4.2, with the first three. */
export function sayPictures(settings: PaintingWeights = {}): Objective {
  const { align = 1, diffuse = 1, speak = 1, retrieve = 0 } = settings;
  const weights = { alignment_loss: align, diffusion_loss: diffuse, loss: speak, retrieval_loss: retrieve };
  return {
    name: 'say-pictures',
    loss(network, p, batch) {
      const outputs = network.forward(p, batch);
      const terms = Object.entries(weights).flatMap(([name, weight]) => {
        if (weight === 0) return [];
        const term = outputs[name];
        if (!term) throw new QuintetError('name', `the batch gives no ${name}`, { at: network.name });
        return [mul(term, weight)];
      });
      const targets = sizeAs([(batch.input_ids as Tensor).dim(0)], 'f32');
      return {
        total: mul(
          terms.reduce((a, b) => add(a, b)),
          targets,
        ),
        targets,
      };
    },
  };
}
