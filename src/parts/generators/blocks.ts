/**
 * What the convolutional networks of latent diffusion share, under diffusers' names.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022, https://arxiv.org/abs/2112.10752
 *
 * B batch, C channels, E width of the time embedding
 */
import { add, reshape, resize, type Tensor } from '../../graph/index.js';
import { type ActivationName, activations, convolution, groupNorm, linear, type Params } from '../../nn/index.js';
import { type Fields, QuintetError, type Shape } from '../../tensor/index.js';

export interface ConvolutionalStyle {
  /** Groups of the group norms. */
  readonly groups: number;
  /** Of the group norms. */
  readonly epsilon: number;
  readonly activation: ActivationName;
}

/** Two convolutions beside a shortcut; a time embedding [B, E] is added between them. x [B, C, ...] -> [B, out, ...] */
export function resnet(
  p: Params,
  x: Tensor,
  out: number,
  { groups, epsilon, activation }: ConvolutionalStyle,
  time?: Tensor,
): Tensor {
  const activate = activations[activation];
  const three = { kernel: 3, padding: 1 };
  let hidden = convolution(p.at('conv1'), activate(groupNorm(p.at('norm1'), x, groups, epsilon)), out, three);
  if (time) {
    const shift = linear(p.at('time_emb_proj'), activate(time), out);
    hidden = add(hidden, reshape(shift, [x.dim(0), out, 1, 1]));
  }
  hidden = convolution(p.at('conv2'), activate(groupNorm(p.at('norm2'), hidden, groups, epsilon)), out, three);
  return add(x.size(1) === out ? x : convolution(p.at('conv_shortcut'), x, out, { kernel: 1 }), hidden);
}

/** Half the size. `padding` is that of every side, or [before..., after...]. */
export function downsample(p: Params, x: Tensor, padding: number | readonly number[]): Tensor {
  return convolution(p.at('downsamplers', 0, 'conv'), x, x.size(1), { kernel: 3, stride: 2, padding });
}

/** Repeated to `size`, by default twice the size, then smoothed. */
export function upsample(p: Params, x: Tensor, size: Shape = [2 * x.size(2), 2 * x.size(3)]): Tensor {
  const larger = resize(x, size, { mode: 'nearest' });
  return convolution(p.at('upsamplers', 0, 'conv'), larger, x.size(1), { kernel: 3, padding: 1 });
}

/** The last layers: norm, activation, convolution. */
export function head(p: Params, x: Tensor, out: number, style: ConvolutionalStyle, kernel = 3): Tensor {
  const normal = groupNorm(p.at('conv_norm_out'), x, style.groups, style.epsilon);
  const active = activations[style.activation](normal);
  return convolution(p.at('conv_out'), active, out, { kernel, padding: Math.floor((kernel - 1) / 2) });
}

/** Refuses options that mean another architecture: each must be missing or have the value that is built here. */
export function requireOptions(config: Fields, built: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(built)) {
    const found = config.raw[name];
    if (found === undefined || found === null || found === value) continue;
    throw new QuintetError('unsupported', `${name} ${JSON.stringify(found)} is not built here`, {
      at: config.at,
      hint: value === null ? 'leave it out' : `known: ${JSON.stringify(value)}`,
    });
  }
}

/** A list with an entry a level, from one value for all or from such a list. */
export function perLevel<T>(config: Fields, name: string, levels: number, read: (item: unknown) => T): readonly T[] {
  const value = config.raw[name];
  const items = Array.isArray(value) ? value : Array.from({ length: levels }, () => value);
  if (items.length !== levels) {
    throw new QuintetError('config', `${name} has ${items.length} entries for ${levels} levels`, { at: config.at });
  }
  return items.map(read);
}

/** A list of block types, an entry a level, as what `known` says of each. */
export function blockTypes(
  config: Fields,
  name: string,
  known: Readonly<Record<string, boolean>>,
  levels: number,
): readonly boolean[] {
  const types = config.texts(name);
  const unknown = types.find((type) => !Object.hasOwn(known, type));
  if (unknown !== undefined || types.length !== levels) {
    const problem = unknown === undefined ? `${types.length} blocks for ${levels} widths` : `the block ${unknown}`;
    throw new QuintetError('unsupported', `${name}: ${problem}`, {
      at: config.at,
      hint: `known blocks: ${Object.keys(known).join(', ')}`,
    });
  }
  return types.map((type) => known[type] as boolean);
}
