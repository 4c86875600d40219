/**
 * EfficientNet-Lite: inverted residual blocks of depthwise convolutions, scaled in width, depth and resolution together.
 *
 * Tan and Le, 2019, https://arxiv.org/abs/1905.11946 (table 1, equation 3). The Lite forms, which leave out squeezing and
 * excitation, take ReLU6 and keep stem and head as they are:
 * https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Names of weights as in
 * https://github.com/lukemelas/EfficientNet-PyTorch.
 *
 * B batch, C channels, h and w rows and columns of a grid, N places of the last grid, E its width
 */
import {
  add,
  conv,
  div,
  flatten,
  mean,
  minimum,
  mul,
  relu,
  reshape,
  sqrt,
  sub,
  type Tensor,
  transpose,
} from '../../graph/index.js';
import { fanIn, type Init, linear, ones, type Params, zeroed } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Encoder } from '../types.js';

export interface EfficientNetConfig {
  /** Side of the square picture. */
  readonly image: number;
  /** What the channels and the blocks of the smallest form are multiplied by. */
  readonly width: number;
  readonly depth: number;
  /** Of the classifier. */
  readonly classes: number;
}

/** What becomes of a picture. */
export interface EfficientNetStates {
  /** The last grid [B, E, h, w]. */
  readonly grid: Tensor;
  /** Its mean [B, E]. */
  readonly pooled: Tensor;
  /** The grid behind each block. */
  readonly blocks: readonly Tensor[];
}

const stem = 32;
const head = 1280;
const epsilon = 1e-3;

interface Stage {
  readonly repeats: number;
  readonly kernel: number;
  readonly stride: number;
  readonly expand: number;
  readonly channels: number;
}

/** Table 1, stages 2 to 8: repeats, kernel, stride, expansion, channels. */
const stages: readonly Stage[] = [
  [1, 3, 1, 1, 16],
  [2, 3, 2, 6, 24],
  [2, 5, 2, 6, 40],
  [3, 3, 2, 6, 80],
  [3, 5, 1, 6, 112],
  [4, 5, 2, 6, 192],
  [1, 3, 1, 6, 320],
].map(([repeats, kernel, stride, expand, channels]) => ({ repeats, kernel, stride, expand, channels }) as Stage);

/** Features [B, N, E] of pictures [B, 3, image, image]: the places of the last grid in reading order. */
export function efficientNet(config: EfficientNetConfig): Encoder {
  return {
    kind: 'encoder',
    image: config.image,
    buffers: ['_fc.*', ...efficientNetBuffers],
    forward: (p, pixels) => transpose(flatten(efficientNetStates(p, pixels, config).grid, 2, 3), [0, 2, 1]),
  };
}

/** How many pictures training has seen, which nothing is computed from. */
export const efficientNetBuffers = ['**.num_batches_tracked'];

export function efficientNetStates(p: Params, pixels: Tensor, config: EfficientNetConfig): EfficientNetStates {
  let x = capped(normalised(p, ['_conv_stem', '_bn0'], pixels, { out: stem, kernel: 3, stride: 2 }));
  const blocks: Tensor[] = [];
  for (const stage of scaled(config)) {
    for (let i = 0; i < stage.repeats; i++) {
      x = block(p.at('_blocks', blocks.length), x, i === 0 ? stage : { ...stage, stride: 1 });
      blocks.push(x);
    }
  }
  const grid = capped(normalised(p, ['_conv_head', '_bn1'], x, { out: head, kernel: 1 }));
  return { grid, pooled: mean(grid, [2, 3]), blocks };
}

/** Pooled features [B, E] -> scores of the classes [B, classes]. */
export const efficientNetScores = (p: Params, pooled: Tensor, { classes }: EfficientNetConfig): Tensor =>
  linear(p.at('_fc'), pooled, classes);

/** The stages of a larger form: channels in eights, and as many blocks; the first and the last stage keep theirs. */
function scaled({ width, depth }: EfficientNetConfig): Stage[] {
  return stages.map((stage, i) => ({
    ...stage,
    channels: inEights(stage.channels * width),
    repeats: i === 0 || i === stages.length - 1 ? stage.repeats : Math.ceil(stage.repeats * depth),
  }));
}

/** The nearest multiple of eight, unless that is less than nine tenths. */
function inEights(channels: number): number {
  const near = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return near < 0.9 * channels ? near + 8 : near;
}

/** x [B, C, h, w] -> [B, channels, ...]: wider, each channel for itself, narrower. */
function block(p: Params, x: Tensor, { kernel, stride, expand, channels }: Stage): Tensor {
  const inner = x.size(1) * expand;
  const wide = expand === 1 ? x : capped(normalised(p, ['_expand_conv', '_bn0'], x, { out: inner, kernel: 1 }));
  const seen = capped(normalised(p, ['_depthwise_conv', '_bn1'], wide, { out: inner, kernel, stride, groups: inner }));
  const y = normalised(p, ['_project_conv', '_bn2'], seen, { out: channels, kernel: 1 });
  return stride === 1 && channels === x.size(1) ? add(x, y) : y;
}

/** ReLU6: Krizhevsky, 2010. */
const capped = (x: Tensor): Tensor => minimum(relu(x), 6);

interface Normalised {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

/**
 * A convolution and the batch normalisation behind it, by the statistics of training: one convolution, whose weights are
 * scaled. Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167
 */
function normalised(
  p: Params,
  [convolution, norm]: readonly [string, string],
  x: Tensor,
  { out, kernel, stride = 1, groups = 1 }: Normalised,
): Tensor {
  const weight = p.at(convolution).get('weight', [out, x.size(1) / groups, kernel, kernel], fanIn);
  const perChannel = (name: string, init: Init): Tensor => reshape(p.at(norm).get(name, [out], init), [out, 1, 1]);
  const scale = div(perChannel('weight', ones), sqrt(add(perChannel('running_var', ones), epsilon)));
  const shift = sub(perChannel('bias', zeroed), mul(perChannel('running_mean', zeroed), scale));
  const padding = samePadding([x.size(2), x.size(3)], kernel, stride);
  return add(conv(x, mul(weight, reshape(scale, [out, 1, 1, 1])), { stride, padding, groups }), shift);
}

/** TensorFlow's SAME, before and behind each axis: what is odd goes behind. */
function samePadding(sizes: readonly [number, number], kernel: number, stride: number): number[] {
  const totals = sizes.map((size) => Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size));
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

/** The configuration in a `config.json` of model_type quintet_efficientnet_lite. */
export function readEfficientNet(config: Fields): EfficientNetConfig {
  return {
    image: config.count('image_size', 224),
    width: config.number('width_coefficient', 1),
    depth: config.number('depth_coefficient', 1),
    classes: config.whole('num_labels', 1000),
  };
}
