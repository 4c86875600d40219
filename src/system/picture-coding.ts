/**
 * Autoencoders of pictures as networks of their own: with continuous latents, or with codes.
 *
 * B pictures, C latent channels, h w size of latents, P = h w
 */
import { abs, add, detach, exp, mean, mul, sizeAs, sub, sum, type Tensor } from '../graph/index.js';
import type { Params } from '../nn/index.js';
import type { Autoencoder, Posterior, Quantiser } from '../parts/generators/types.js';
import { QuintetError, type Shape } from '../tensor/index.js';
import type { InputType, Network, Tensors } from './network.js';
import type { Objective } from './objectives/index.js';
import type { Slot } from './system.js';

/** A latent of the distribution, by standard normal noise [B, C, h, w]. */
export function sampleOf({ mean: average, logVariance }: Posterior, noise: Tensor): Tensor {
  return add(average, mul(exp(mul(logVariance, 0.5)), noise));
}

/** The divergence from the standard normal distribution, summed over a picture's latents, averaged over pictures: scalar. */
export function divergence({ mean: average, logVariance }: Posterior): Tensor {
  const each = sub(sub(add(mul(average, average), exp(logVariance)), 1), logVariance);
  return mul(mean(sum(each, [1, 2, 3])), 0.5);
}

const f32 = (...shape: Shape): InputType => ({ dtype: 'f32', shape });

/** What an autoencoder may be given. */
export function coderInputs({ image, channels, shrinking }: Autoencoder) {
  const small = image / shrinking;
  return {
    pixel_values: f32('B', 3, image, image),
    posterior_noise: f32('B', channels, small, small),
    latents: f32('B', channels, small, small),
  } satisfies Record<string, InputType>;
}

/** Pictures and latents of any height and width. */
export const coderOpenAxes = { pixel_values: [2, 3], posterior_noise: [2, 3], latents: [2, 3] };

/** How files call the inputs of an autoencoder. */
export const coderAliases = { image: 'pixel_values', noise: 'posterior_noise', latent: 'latents' };

/**
 * `pixel_values` -> `vae.mean`, `vae.logvar`, `autoencoder.kl`, with `posterior_noise` -> `vae.sampled` latents. `vae.decoded`
 * is the picture of `latents`, or without them of those that were sampled.
 */
export function codePictures({ part, prefix }: Slot<Autoencoder>, p: Params, given: Tensors): Record<string, Tensor> {
  const { pixel_values: pixels, posterior_noise: noise, latents } = given;
  const at = p.at(prefix);
  const outputs: Record<string, Tensor> = {};
  if (pixels) {
    const posterior = part.encode(at, pixels);
    Object.assign(outputs, { 'vae.mean': posterior.mean, 'vae.logvar': posterior.logVariance });
    outputs['autoencoder.kl'] = divergence(posterior);
    if (noise) outputs['vae.sampled'] = sampleOf(posterior, noise);
  }
  const shown = latents ?? outputs['vae.sampled'];
  if (shown) outputs['vae.decoded'] = part.decode(at, shown);
  return outputs;
}

export interface CodingParts<Part> {
  readonly name: string;
  readonly paper?: string;
  readonly coder: Slot<Part>;
}

export function autoencoding({ name, paper, coder }: CodingParts<Autoencoder>): Network {
  return {
    name,
    ...(paper === undefined ? {} : { paper }),
    inputs: coderInputs(coder.part),
    aliases: coderAliases,
    openAxes: coderOpenAxes,
    renames: coder.part.renames ?? [],
    forward: (p, given) => codePictures(coder, p, given),
  };
}

/**
 * `pixel_values` -> latents `encoded`, the `indices` [B, P] of their codes, the `codebook_loss`. `decoded` is the picture of
 * `given_codes`, or without them of the codes that were found.
 */
export function quantising({ name, paper, coder: { part, prefix } }: CodingParts<Quantiser>): Network {
  const { image, shrinking } = part;
  const side = image / shrinking;
  return {
    name,
    ...(paper === undefined ? {} : { paper }),
    inputs: { pixel_values: f32('B', 3, image, image), given_codes: { dtype: 'i64', shape: ['B', side * side] } },
    aliases: { image: 'pixel_values' },
    openAxes: { pixel_values: [2, 3], given_codes: [1] },
    renames: part.renames ?? [],
    forward(p, { pixel_values: pixels, given_codes: codes }) {
      const at = p.at(prefix);
      const encoded = pixels && part.encode(at, pixels);
      const found = encoded && part.quantise(at, encoded);
      const latents = codes ? part.lookUp(found ? at.shared : at, codes, gridOf(codes, encoded)) : found?.latents;
      return {
        ...(encoded && found ? { encoded, indices: found.codes, codebook_loss: found.loss } : {}),
        ...(latents ? { decoded: part.decode(at, latents) } : {}),
      };
    },
  };
}

/** Height and width of codes [B, P]: those of a picture's latents beside them, or else a square. */
function gridOf(codes: Tensor, encoded: Tensor | undefined): readonly [height: number, width: number] {
  const count = codes.size(1);
  const [height, width] = encoded ? [encoded.size(2), encoded.size(3)] : [Math.sqrt(count), Math.sqrt(count)];
  if (height * width === count && Number.isInteger(height)) return [height, width];
  const grid = encoded ? `${height} by ${width}` : 'no square';
  throw new QuintetError('shape', `${count} codes a picture: ${grid}`, {
    at: 'given_codes',
    ...(encoded ? {} : { hint: 'give pixel_values of their height and width beside them' }),
  });
}

/** Pictures as they were given: the mean absolute error, and how far latents may stray from a standard normal. */
export function reconstruct({ divergence: weight }: { readonly divergence: number }): Objective {
  return {
    name: 'reconstruct',
    loss(network, p, batch) {
      const { 'vae.decoded': reconstructed, 'autoencoder.kl': strayed } = network.forward(p, batch);
      if (!reconstructed || !strayed || !batch.pixel_values) {
        throw new QuintetError('name', 'reconstruction needs pixel_values and posterior_noise', { at: network.name });
      }
      const error = mean(abs(sub(reconstructed, detach(batch.pixel_values))));
      const targets = sizeAs([reconstructed.dim(0)], 'f32');
      return { total: mul(add(error, mul(strayed, weight)), targets), targets };
    },
  };
}
