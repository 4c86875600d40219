/**
 * The VQGAN of LlamaGen and Janus: pictures as grids of codes, under the names of "Taming Transformers".
 *
 * Sun et al., "Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation", 2024,
 * https://arxiv.org/abs/2406.06525; Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021,
 * https://arxiv.org/abs/2012.09841
 *
 * B batch, C channels, K codes in the book, D their width, P places of the grid, h by w
 */
import {
  add,
  div,
  flatten,
  gather,
  maximum,
  mul,
  resize,
  silu,
  sqrt,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
} from '../../graph/index.js';
import { attendHeads, convolution, groupNorm, type Params } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import { requireOptions } from './blocks.js';
import { asGrid, nearestIn, spread } from './code-book.js';
import type { Quantiser } from './types.js';

export interface JanusVqConfig {
  /** Codes along a side of a picture. */
  readonly side: number;
  readonly codes: number;
  readonly codeWidth: number;
  /** Channels between the convolutions and the codes. */
  readonly channels: number;
  /** Channels after the first convolution. */
  readonly base: number;
  /** Channels as multiples of those, from the finest resolution to the coarsest; each halves the size before. */
  readonly multiples: readonly number[];
  /** Residual blocks a resolution on the way to the codes; there is one more on the way back. */
  readonly layers: number;
}

/** Its latents are what enters `quant_conv`; codes are compared as they are stored, and decoded at length 1. */
export function janusVq(config: JanusVqConfig): Quantiser {
  const { side, codes, codeWidth, channels, multiples } = config;
  const shrinking = 2 ** (multiples.length - 1);
  const bookOf = (p: Params): Tensor => p.at('quantize', 'embedding').get('weight', [codes, codeWidth], spread);
  return {
    kind: 'quantiser',
    ...{ codes, shrinking },
    image: side * shrinking,
    encode: (p, pixels) => encode(p.at('encoder'), pixels, config),
    quantise: (p, latents) => nearestIn(bookOf(p), convolution(p.at('quant_conv'), latents, codeWidth, { kernel: 1 })),
    lookUp: (p, ids, grid) => asGrid(unit(gather(bookOf(p), ids)), grid),
    decode(p, latents) {
      const start = convolution(p.at('post_quant_conv'), latents, channels, { kernel: 1 });
      return decode(p.at('decoder'), start, config);
    },
  };
}

const three = { kernel: 3, padding: 1 };

/** Pictures [B, 3, height, width] -> [B, channels, h, w] */
function encode(p: Params, pixels: Tensor, { base, multiples, channels, layers }: JanusVqConfig): Tensor {
  let x = convolution(p.at('conv_in'), pixels, base, three);
  for (const [i, multiple] of multiples.entries()) {
    const [at, width, coarsest] = [p.at('down', i), base * multiple, i === multiples.length - 1];
    for (let j = 0; j < layers; j++) {
      x = residual(at.at('block', j), x, width);
      if (coarsest) x = attention(at.at('attn', j), x);
    }
    // One row and column of zeros, after the last ones only.
    if (!coarsest)
      x = convolution(at.at('downsample', 'conv'), x, width, { kernel: 3, stride: 2, padding: [0, 0, 1, 1] });
  }
  return convolution(p.at('conv_out'), silu(norm(p.at('norm_out'), between(p.at('mid'), x))), channels, three);
}

/** Latents [B, channels, h, w] -> pictures [B, 3, height, width] */
function decode(p: Params, latents: Tensor, { base, multiples, layers }: JanusVqConfig): Tensor {
  const coarsest = base * (multiples.at(-1) as number);
  let x = between(p.at('mid'), convolution(p.at('conv_in'), latents, coarsest, three));
  for (const [i, multiple] of multiples.toReversed().entries()) {
    const [at, width] = [p.at('up', i), base * multiple];
    for (let j = 0; j <= layers; j++) {
      x = residual(at.at('block', j), x, width);
      if (i === 0) x = attention(at.at('attn', j), x);
    }
    if (i < multiples.length - 1) {
      const larger = resize(x, [2 * x.size(2), 2 * x.size(3)], { mode: 'nearest' });
      x = convolution(at.at('upsample', 'conv'), larger, width, three);
    }
  }
  return convolution(p.at('conv_out'), silu(norm(p.at('norm_out'), x)), 3, three);
}

function between(p: Params, x: Tensor): Tensor {
  const width = x.size(1);
  return residual(p.at('block_2'), attention(p.at('attn_1'), residual(p.at('block_1'), x, width)), width);
}

const norm = (p: Params, x: Tensor): Tensor => groupNorm(p, x, 32, 1e-6);

/** x [B, C, h, w] -> [B, width, h, w] */
function residual(p: Params, x: Tensor, width: number): Tensor {
  const hidden = convolution(p.at('conv1'), silu(norm(p.at('norm1'), x)), width, three);
  const out = convolution(p.at('conv2'), silu(norm(p.at('norm2'), hidden)), width, three);
  return add(x.size(1) === width ? x : convolution(p.at('nin_shortcut'), x, width, { kernel: 1 }), out);
}

/** Every place looks at all others with one head: x [B, C, h, w] -> the same */
function attention(p: Params, x: Tensor): Tensor {
  const seen = norm(p.at('norm'), x);
  const rows = (name: string): Tensor => {
    const grid = convolution(p.at(name), seen, x.size(1), { kernel: 1 });
    return unsqueeze(transpose(flatten(grid, 2, 3), [0, 2, 1]), 1); // [B, 1, P, C]
  };
  const mixed = attendHeads(rows('q'), rows('k'), rows('v')); // [B, P, C]
  return add(x, convolution(p.at('proj_out'), asGrid(mixed, [x.dim(2), x.dim(3)]), x.size(1), { kernel: 1 }));
}

/** Rows [..., D] at length 1. */
function unit(rows: Tensor): Tensor {
  const length = sqrt(sum(mul(rows, rows), [-1], { keep: true }));
  return div(rows, maximum(length, 1e-12));
}

/** The configuration in a `config.json` of model_type janus_vqgan, of a grid of the given side. */
export function readJanusVq(config: Fields, side: number): JanusVqConfig {
  requireOptions(config, { double_latent: false, in_channels: 3, out_channels: 3 });
  return {
    side,
    codes: config.count('num_embeddings', 16384),
    codeWidth: config.count('embed_dim', 8),
    channels: config.count('latent_channels', 256),
    base: config.count('base_channels', 128),
    multiples: config.numbers('channel_multiplier', [1, 1, 2, 2, 4]),
    layers: config.count('num_res_blocks', 2),
  };
}
