/**
 * The convolutional encoder and decoder between pictures and latents that VQGAN and Stable Diffusion's autoencoder share.
 *
 * Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021, https://arxiv.org/abs/2012.09841
 *
 * B batch, C channels
 */
import { add, flatten, reshape, type Tensor, transpose } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  attend,
  convolution,
  groupNorm,
  linear,
  type Params,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import { blockTypes, type ConvolutionalStyle, downsample, head, resnet, upsample } from './blocks.js';

/** What holds at one resolution, on the way to the latents and back. */
export interface CoderLevel {
  readonly width: number;
  /** Whether the residual blocks are followed by attention; default not. */
  readonly attention?: boolean;
  readonly attentionBack?: boolean;
}

export interface CoderConfig {
  /** Height and width of the pictures it was trained on. */
  readonly image: number;
  /** Channels of pictures, default 3, and of latents. */
  readonly colours?: number;
  readonly channels: number;
  /** From the finest to the coarsest; each halves the size of the one before. */
  readonly levels: readonly CoderLevel[];
  /** Residual blocks a level on the way to the latents; there is one more on the way back. */
  readonly layers: number;
  /** Whether places attend to each other at the coarsest resolution; default true. */
  readonly middleAttention?: boolean;
  /** Default 32. */
  readonly groups?: number;
  /** Of the residual blocks; default silu. The last layer's is silu always. */
  readonly activation?: ActivationName;
}

/** The last level's pictures are this many times smaller. */
export const shrinking = ({ levels }: CoderConfig): number => 2 ** (levels.length - 1);

const styleOf = ({ groups = 32, activation = 'silu' }: CoderConfig): ConvolutionalStyle => ({
  groups,
  activation,
  epsilon: 1e-6,
});

/** Pictures [B, 3, height, width] -> [B, out, h, w] */
export function encodePicture(p: Params, pixels: Tensor, config: CoderConfig, out: number): Tensor {
  const style = styleOf(config);
  const { levels, layers } = config;
  let x = convolution(p.at('conv_in'), pixels, (levels[0] as CoderLevel).width, { kernel: 3, padding: 1 });
  for (const [i, { width, attention = false }] of levels.entries()) {
    const at = p.at('down_blocks', i);
    for (let j = 0; j < layers; j++) {
      x = resnet(at.at('resnets', j), x, width, style);
      if (attention) x = attendPlaces(at.at('attentions', j), x, style);
    }
    // One row and column of zeros, after the last ones only.
    if (i < levels.length - 1) x = downsample(at, x, [0, 0, 1, 1]);
  }
  return head(p, between(p.at('mid_block'), x, config), out, { ...style, activation: 'silu' });
}

/** Latents [B, C, h, w] -> pictures [B, 3, height, width] */
export function decodePicture(p: Params, latents: Tensor, config: CoderConfig): Tensor {
  const style = styleOf(config);
  const { levels, layers, colours = 3 } = config;
  const start = convolution(p.at('conv_in'), latents, (levels.at(-1) as CoderLevel).width, { kernel: 3, padding: 1 });
  let x = between(p.at('mid_block'), start, config);
  for (const [i, { width, attentionBack = false }] of levels.toReversed().entries()) {
    const at = p.at('up_blocks', i);
    for (let j = 0; j <= layers; j++) {
      x = resnet(at.at('resnets', j), x, width, style);
      if (attentionBack) x = attendPlaces(at.at('attentions', j), x, style);
    }
    if (i < levels.length - 1) x = upsample(at, x);
  }
  return head(p, x, colours, { ...style, activation: 'silu' });
}

function between(p: Params, x: Tensor, config: CoderConfig): Tensor {
  const style = styleOf(config);
  const before = resnet(p.at('resnets', 0), x, x.size(1), style);
  const seen = (config.middleAttention ?? true) ? attendPlaces(p.at('attentions', 0), before, style) : before;
  return resnet(p.at('resnets', 1), seen, x.size(1), style);
}

/** Every place looks at all others with one head: x [B, C, h, w] -> the same */
function attendPlaces(p: Params, x: Tensor, { groups, epsilon }: ConvolutionalStyle): Tensor {
  const channels = x.size(1);
  const rows = transpose(flatten(groupNorm(p.at('group_norm'), x, groups, epsilon), 2, 3), [0, 2, 1]); // [B, P, C]
  const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((name) => linear(p.at(name), rows, channels)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const seen = linear(p.at('to_out', 0), attend(q, k, v, { heads: 1 }), channels);
  return add(x, reshape(transpose(seen, [0, 2, 1]), x.shape));
}

/** The names of attention's layers in files from before diffusers 0.18, of all attentions of an encoder and a decoder. */
export function oldAttentionNames({ levels, layers }: CoderConfig): [ours: string, theirs: string][] {
  const count = levels.length;
  const places = ['encoder', 'decoder'].flatMap((side) => [
    `${side}.mid_block.attentions.0`,
    ...levels.flatMap((_, i) => {
      const blocks = side === 'encoder' ? `down_blocks.${i}` : `up_blocks.${count - 1 - i}`;
      return Array.from({ length: layers + 1 }, (_, j) => `${side}.${blocks}.attentions.${j}`);
    }),
  ]);
  const names = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
  return places.flatMap((place) =>
    Object.entries(names).map(([ours, theirs]): [string, string] => [`${place}.${ours}`, `${place}.${theirs}`]),
  );
}

const downTypes = { DownEncoderBlock2D: false, AttnDownEncoderBlock2D: true } as const;
const upTypes = { UpDecoderBlock2D: false, AttnUpDecoderBlock2D: true } as const;

/** The fields that AutoencoderKL and VQModel have in common. */
export function readCoder(config: Fields): CoderConfig {
  const widths = config.numbers('block_out_channels', [64]);
  const down = blockTypes(config, 'down_block_types', downTypes, widths.length);
  const back = blockTypes(config, 'up_block_types', upTypes, widths.length).toReversed();
  const colours = config.count('in_channels', 3);
  if (config.count('out_channels', colours) !== colours) {
    throw new QuintetError('unsupported', 'out_channels: another number than in_channels', { at: config.at });
  }
  return {
    image: config.count('sample_size', 32),
    colours,
    channels: config.count('latent_channels', 4),
    levels: widths.map((width, i) => ({
      width,
      attention: down[i] as boolean,
      attentionBack: back[i] as boolean,
    })),
    layers: config.count('layers_per_block', 1),
    middleAttention: config.flag('mid_block_add_attention', true),
    groups: config.count('norm_num_groups', 32),
    activation: activationOf(config, 'act_fn', 'silu'),
  };
}
