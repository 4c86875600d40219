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
  gatherND,
  minimum,
  mul,
  range,
  sizeAsFloat,
  slice,
  sub,
  type Tensor,
  unsqueeze,
} from '../graph/index.js';
import type { Glob, Params } from '../nn/index.js';
import type { OutputProjector } from '../parts/types.js';
import { addDims, QuintetError, type Shape } from '../tensor/index.js';
import { diffusionLoss, type LatentDiffusion, squaredError } from './latent-diffusion.js';
import type { InputType, Tensors } from './network.js';
import type { Objective } from './objective.js';
import { codePictures } from './picture-coding.js';
import type { Slot } from './system.js';

export interface PictureConditionParts {
  /** Ids of the signal tokens, which stand behind each other in this order where a picture is to be painted. */
  readonly tokens: readonly number[];
  readonly projector: Slot<OutputProjector>;
  readonly generator: Slot<LatentDiffusion>;
}

export interface PictureCondition extends PictureConditionParts {
  readonly kind: 'condition';
  readonly buffers: readonly Glob[];
}

export function pictureCondition(parts: PictureConditionParts): PictureCondition {
  const { part, prefix } = parts.generator;
  return { kind: 'condition', ...parts, buffers: (part.buffers ?? []).map((glob) => `${prefix}.${glob}`) };
}

/** What a system with such pictures may be given besides: a caption to agree with, a picture to learn to paint. */
export function conditionInputs({ generator }: PictureCondition): Record<string, InputType> {
  const { channels, image, shrinking } = generator.part.autoencoder.part;
  const small = image / shrinking;
  const f32 = (...shape: Shape): InputType => ({ dtype: 'f32', shape });
  return {
    caption_ids: { dtype: 'i64', shape: ['B', 'L'] },
    target_pixels: f32('B', 3, image, image),
    posterior_noise: f32('B', channels, small, small),
    noise: f32('B', channels, small, small),
    timestep: f32('B'),
    latents: f32('B', channels, small, small),
  };
}

/** The rows' tokens, what the backbone made of them, and what it was given for them. */
export interface Spoken {
  readonly ids: Tensor;
  readonly hidden: Tensor;
  readonly words: Tensor;
}

/** The condition [B, S', width] that the signal tokens of each row stand for. */
export function conditionOf(
  { tokens, projector, generator }: PictureConditionParts,
  p: Params,
  { ids, hidden, words }: Spoken,
): Tensor {
  const [rows, length] = [ids.dim(0), ids.dim(1)];
  const count = tokens.length;
  const first = argMax(cast(equal(ids, tokens[0] as number), 'i32'), 1); // [B]
  const last = range(addDims(length, -1), length); // [1]
  const places = minimum(add(unsqueeze(first, 1), range(0, count)), last); // [B, S]
  const row = expand(unsqueeze(unsqueeze(range(0, rows), 1), 2), [rows, count, 1]);
  const at = concat([row, unsqueeze(places, 2)], 2); // [B, S, 2]
  const { condition } = generator.part.denoiser.part;
  return projector.part.forward(p.at(projector.prefix), gatherND(hidden, at), condition, gatherND(words, at));
}

/**
 * `image_condition` of what was said; with `caption_ids` the `alignment_loss` between it and the caption's states; with
 * `target_pixels`, `posterior_noise`, `noise` and `timestep` the `diffusion_loss` under it; `latents` -> `decoded`.
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
  const condition = conditionOf(output, p, spoken);
  const outputs: Record<string, Tensor> = { image_condition: condition };
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
  const { sampled, decoded } = codePictures(part.autoencoder, at, pictures);
  if (decoded) outputs.decoded = decoded;
  if (sampled && noise && times) {
    const batch = { latents: mul(sub(sampled, shift), scale), noise, times, condition };
    outputs.diffusion_loss = diffusionLoss(part, at, batch);
  }
  return outputs;
}

export interface PaintingWeights {
  /** Of the agreement with the caption's states; default 1. */
  readonly align?: number;
  /** Of the noise that the frozen denoiser finds under the condition; default 1. */
  readonly diffuse?: number;
  /** Of the next words, signal tokens among them; default 1. */
  readonly speak?: number;
}

/** Saying what to paint: GILL, section 3.2, without `diffuse`; NExT-GPT, section 4.2, with all three. */
export function sayPictures({ align = 1, diffuse = 1, speak = 1 }: PaintingWeights = {}): Objective {
  const weights = { alignment_loss: align, diffusion_loss: diffuse, loss: speak };
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
      const targets = sizeAsFloat([(batch.input_ids as Tensor).dim(0)], 'f32');
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
