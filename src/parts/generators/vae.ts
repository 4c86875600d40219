/**
 * Stable Diffusion's autoencoder: pictures as normal distributions over small latents, and back.
 *
 * Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, https://arxiv.org/abs/1312.6114; Rombach et al., 2022,
 * section 3.1, https://arxiv.org/abs/2112.10752
 *
 * B batch, C latent channels, h w size of the latents
 */
import { clip, split, type Tensor } from '../../graph/index.js';
import { convolution } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import { requireOptions } from './blocks.js';
import {
  type CoderConfig,
  decodePicture,
  encodePicture,
  oldAttentionNames,
  readCoder,
  shrinking,
} from './picture-coder.js';
import type { Autoencoder } from './types.js';

export interface VaeConfig extends CoderConfig {
  /** What a denoiser reads is (latents - shift) * scale; default 0.18215 and 0. */
  readonly scale?: number;
  readonly shift?: number;
  /** Whether a convolution of 1 by 1 follows the encoder and precedes the decoder; default true. */
  readonly afterEncoder?: boolean;
  readonly beforeDecoder?: boolean;
}

export function vae(config: VaeConfig): Autoencoder {
  const { image, channels, scale = 0.18215, shift = 0, afterEncoder = true, beforeDecoder = true } = config;
  return {
    kind: 'autoencoder',
    ...{ image, channels, scale, shift },
    shrinking: shrinking(config),
    renames: [oldAttentionNames(config)],
    encode(p, pixels) {
      const encoded = encodePicture(p.at('encoder'), pixels, config, 2 * channels);
      const moments = afterEncoder ? convolution(p.at('quant_conv'), encoded, 2 * channels, { kernel: 1 }) : encoded;
      const [average, spread] = split(moments, 2, 1) as [Tensor, Tensor];
      return { mean: average, logVariance: clip(spread, -30, 20) };
    },
    decode(p, latents) {
      const start = beforeDecoder ? convolution(p.at('post_quant_conv'), latents, channels, { kernel: 1 }) : latents;
      return decodePicture(p.at('decoder'), start, config);
    },
  };
}

/** The configuration in a diffusers `config.json` of an AutoencoderKL. */
export function readVae(config: Fields): VaeConfig {
  requireOptions(config, { latents_mean: null, latents_std: null });
  return {
    ...readCoder(config),
    scale: config.number('scaling_factor', 0.18215),
    shift: config.number('shift_factor', 0),
    afterEncoder: config.flag('use_quant_conv', true),
    beforeDecoder: config.flag('use_post_quant_conv', true),
  };
}
