/**
 * VQGAN: pictures as grids of codes, each the nearest entry of a learned book.
 *
 * Van den Oord et al., "Neural Discrete Representation Learning", 2017, https://arxiv.org/abs/1711.00937; Esser et al., 2021,
 * https://arxiv.org/abs/2012.09841
 *
 * B batch, K codes in the book, D their width, P places of the grid, h by w
 */
import { gather, type Tensor } from '../../graph/index.js';
import { convolution, type Params } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import { requireOptions } from './blocks.js';
import { asGrid, nearestIn, spread } from './code-book.js';
import {
  type CoderConfig,
  decodePicture,
  encodePicture,
  oldAttentionNames,
  readCoder,
  shrinking,
} from './picture-coder.js';
import type { Quantiser } from './types.js';

export interface VqConfig extends CoderConfig {
  readonly codes: number;
  /** Width of a code; default as many as latent channels. */
  readonly codeWidth?: number;
}

export function vq(config: VqConfig): Quantiser {
  const { image, channels, codes, codeWidth = channels } = config;
  return {
    kind: 'quantiser',
    ...{ image, codes },
    shrinking: shrinking(config),
    renames: [oldAttentionNames(config)],
    encode(p, pixels) {
      const encoded = encodePicture(p.at('encoder'), pixels, config, channels);
      return convolution(p.at('quant_conv'), encoded, codeWidth, { kernel: 1 });
    },
    quantise: (p, latents) => nearestIn(bookOf(p, config), latents),
    lookUp: (p, ids, grid) => asGrid(gather(bookOf(p, config), ids), grid),
    decode(p, latents) {
      const start = convolution(p.at('post_quant_conv'), latents, channels, { kernel: 1 });
      return decodePicture(p.at('decoder'), start, config);
    },
  };
}

/** The book [K, D]; asked for again where one pass quantises and looks up. */
function bookOf(p: Params, { codes, channels, codeWidth = channels }: VqConfig): Tensor {
  return p.at('quantize', 'embedding').get('weight', [codes, codeWidth], spread);
}

/** The configuration in a diffusers `config.json` of a VQModel. */
export function readVq(config: Fields): VqConfig {
  requireOptions(config, { norm_type: 'group', lookup_from_codebook: false });
  const coder = readCoder(config);
  return {
    ...coder,
    channels: config.count('latent_channels', 3),
    codes: config.count('num_vq_embeddings', 256),
    codeWidth: config.count('vq_embed_dim', config.count('latent_channels', 3)),
  };
}
