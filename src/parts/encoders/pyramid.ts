/**
 * A small convolutional pyramid: residual blocks in stages, each on a coarser grid than the one before.
 *
 * The form of a stage follows ConvNeXt (Liu et al., "A ConvNet for the 2020s", 2022, https://arxiv.org/abs/2201.03545),
 * with one full 3 by 3 convolution a block in place of a depthwise one: fewer, larger products are faster on a CPU. A
 * vision transformer would need far more pictures to learn from nothing.
 *
 * B batch, C channels, h and w rows and columns of a grid, N places of the last grid, E its width
 */
import { add, flatten, type Tensor, transpose } from '../../graph/index.js';
import { activations, convolution, type Init, layerNorm, normal, type Params } from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Encoder } from '../types.js';

export interface PyramidConfig {
  /** Side of the square picture. */
  readonly image: number;
  /** How many times coarser each stage's grid is than the one before; the first counts from pixels. */
  readonly strides: readonly number[];
  /** Channels of each stage. */
  readonly widths: readonly number[];
  /** Blocks of each stage. */
  readonly depths: readonly number[];
}

const epsilon = 1e-6;

/** Pictures [B, 3, image, image] to the places of the last grid in reading order, [B, N, E]. */
export function pyramid(config: PyramidConfig): Encoder {
  const { image, strides, widths, depths } = config;
  const shrink = strides.reduce((product, stride) => product * stride, 1);
  if (strides.length !== widths.length || depths.length !== widths.length || image % shrink !== 0) {
    throw new QuintetError('config', `${widths.length} stages of a pyramid do not fit pictures of ${image} pixels`, {
      hint: `each width needs a stride and a depth, and the picture's side must be a multiple of ${shrink}`,
    });
  }
  return {
    kind: 'encoder',
    image,
    forward(p, pixels) {
      let x = pixels;
      for (const [stage, width] of widths.entries()) {
        const at = p.at('stages', stage);
        const stride = strides[stage] as number;
        if (stage > 0) x = channelNorm(at.at('norm'), x);
        x = convolution(at.at('reduce'), x, width, { kernel: stride, stride });
        for (let i = 0; i < (depths[stage] as number); i++) x = block(at.at('blocks', i), x);
      }
      return layerNorm(p.at('norm'), transpose(flatten(x, 2, 3), [0, 2, 1]), epsilon);
    },
  };
}

/** x [B, C, h, w] -> [B, C, h, w] */
function block(p: Params, x: Tensor): Tensor {
  const width = x.size(1);
  const seen = convolution(p.at('spread'), channelNorm(p.at('norm'), x), width, {
    kernel: 3,
    padding: 1,
    init: fanInNormal(2),
  });
  // A tenth of the variance of its input, so that a deep stack begins near the identity.
  return add(
    x,
    convolution(p.at('mix'), activations.gelu_pytorch_tanh(seen), width, { kernel: 1, init: fanInNormal(0.2) }),
  );
}

/** Normal with variance `gain` / fan-in: He et al., 2015, https://arxiv.org/abs/1502.01852, has gain 2. */
function fanInNormal(gain: number): Init {
  return (shape, random) => normal(Math.sqrt(gain / shape.slice(1).reduce((a, b) => a * b, 1)))(shape, random);
}

/** Normalises the channels of each place. x [B, C, h, w] -> [B, C, h, w] */
function channelNorm(p: Params, x: Tensor): Tensor {
  return transpose(layerNorm(p, transpose(x, [0, 2, 3, 1]), epsilon), [0, 3, 1, 2]);
}

/** Features a picture. */
export function placesOf({ image, strides }: PyramidConfig): number {
  return (image / strides.reduce((a, b) => a * b, 1)) ** 2;
}

/** The configuration in a `config.json` of model_type quintet_pyramid. */
export function readPyramid(config: Fields): PyramidConfig {
  return {
    image: config.count('image_size', 96),
    strides: config.numbers('strides'),
    widths: config.numbers('hidden_sizes'),
    depths: config.numbers('depths'),
  };
}
