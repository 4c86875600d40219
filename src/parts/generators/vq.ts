/**
 * VQGAN: pictures as grids of codes, each the nearest entry of a learned book.
 *
 * Van den Oord et al., "Neural Discrete Representation Learning", 2017, https://arxiv.org/abs/1711.00937; Esser et al., 2021,
 * https://arxiv.org/abs/2012.09841
 *
 * B batch, K codes in the book, D their width, P places of the grid, h by w
 */
import {
  add,
  argMax,
  detach,
  flatten,
  gather,
  matmul,
  mean,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../graph/index.js';
import { convolution, type Init, type Params } from '../../nn/index.js';
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
import type { Quantiser } from './types.js';

export interface VqConfig extends CoderConfig {
  readonly codes: number;
  /** Width of a code; default as many as latent channels. */
  readonly codeWidth?: number;
}

/** How strongly the encoder is held to the book, beside the book to the encoder; as in all published code the other way round. */
const commitment = 0.25;

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
    quantise(p, latents) {
      const book = bookOf(p, config);
      const rows = asRows(latents);
      const nearest = nearestCodes(rows, book); // [B, P]
      const found = asGrid(gather(book, nearest), latents);
      const [toBook, toLatents] = [sub(detach(found), latents), sub(found, detach(latents))];
      const loss = add(mean(mul(toBook, toBook)), mul(mean(mul(toLatents, toLatents)), commitment));
      return { codes: nearest, latents: add(latents, detach(sub(found, latents))), loss };
    },
    lookUp(p, ids, [height, width]) {
      const rows = gather(bookOf(p, config), ids); // [B, P, D]
      return reshape(transpose(rows, [0, 2, 1]), [ids.dim(0), codeWidth, height, width]);
    },
    decode(p, latents) {
      const start = convolution(p.at('post_quant_conv'), latents, channels, { kernel: 1 });
      return decodePicture(p.at('decoder'), start, config);
    },
  };
}

/** Evenly spread, as the reference starts. */
const spread: Init = (shape, random) => {
  const bound = 1 / (shape[0] as number);
  return new Float32Array(shape.reduce((a, b) => a * b, 1)).map(() => bound * (2 * random.uniform() - 1));
};

/** The book [K, D]; asked for again where one pass quantises and looks up. */
function bookOf(p: Params, { codes, channels, codeWidth = channels }: VqConfig): Tensor {
  return p.at('quantize', 'embedding').get('weight', [codes, codeWidth], spread);
}

/** [B, D, h, w] -> [B, P, D] */
function asRows(x: Tensor): Tensor {
  return transpose(flatten(x, 2, 3), [0, 2, 1]);
}

/** [B, P, D] -> the shape of `like` */
function asGrid(rows: Tensor, like: Tensor): Tensor {
  return reshape(transpose(rows, [0, 2, 1]), like.shape);
}

/** rows [B, P, D], book [K, D] -> [B, P] */
function nearestCodes(rows: Tensor, book: Tensor): Tensor {
  // Of |z|² - 2 z·e + |e|² the first term is the same for all entries.
  const nearness = sub(mul(matmul(rows, transpose(book)), 2), sum(mul(book, book), [1]));
  return argMax(nearness, -1);
}

/** The configuration in a diffusers `config.json` of a VQModel. */
export function readVq(config: Fields): VqConfig {
  requireOptions(config, { norm_type: 'group', lookup_from_codebook: false });
  const coder = readCoder(config);
  return {
    ...coder,
    channels: config.whole('latent_channels', 3),
    codes: config.whole('num_vq_embeddings', 256),
    codeWidth: config.whole('vq_embed_dim', config.whole('latent_channels', 3)),
  };
}
