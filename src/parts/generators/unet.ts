/**
 * The UNet of Stable Diffusion: predicts the noise in a latent picture, told the moment and the condition.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022, https://arxiv.org/abs/2112.10752
 *
 * B batch, C channels, E width of the time embedding, P places, D width of the condition, T its length
 */
import { add, concat, flatten, gelu, mul, reshape, split, type Tensor, transpose } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  activations,
  attend,
  convolution,
  groupNorm,
  layerNorm,
  linear,
  type Params,
  timestepEmbedding,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import {
  blockTypes,
  type ConvolutionalStyle,
  downsample,
  head,
  perLevel,
  requireOptions,
  resnet,
  upsample,
} from './blocks.js';
import type { Denoiser } from './types.js';

/** What holds at one resolution, on the way down and up. */
export interface UnetLevel {
  readonly width: number;
  /** Residual blocks on the way down; there is one more on the way up. */
  readonly layers: number;
  /** Whether each is followed by attention to the condition, on the way down and up; the level in the middle always is. */
  readonly attention: boolean;
  /** Default as `attention`. */
  readonly attentionUp?: boolean;
  readonly heads: number;
  /** Transformer blocks an attention; default 1. */
  readonly depth?: number;
  /** Default `depth`. */
  readonly depthUp?: number;
  /** Whether the first attention of a block looks at the condition too, instead of at the picture itself. */
  readonly crossOnly?: boolean;
}

export interface UnetConfig {
  /** Height and width of the latents it was trained on. */
  readonly size: number;
  readonly inputs: number;
  readonly outputs: number;
  /** From the finest to the coarsest. */
  readonly levels: readonly UnetLevel[];
  /** Width of the condition. */
  readonly condition: number;
  /** Whether there are blocks between the way down and the way up; default true. */
  readonly middle?: boolean;
  /** Whether attention is entered and left by linear layers instead of convolutions; default false. */
  readonly linear?: boolean;
  /** Default 32. */
  readonly groups?: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
  /** Default silu. */
  readonly activation?: ActivationName;
  /** The order of the time embedding, default cosines first, and the shift of its frequencies, default 0. */
  readonly cosinesFirst?: boolean;
  readonly shift?: number;
  /** Kernel sizes of the first and the last convolution, default 3, and padding where the size is halved, default 1. */
  readonly kernelIn?: number;
  readonly kernelOut?: number;
  readonly downPadding?: number;
}

export function unet(config: UnetConfig): Denoiser {
  const { levels, groups = 32, epsilon = 1e-5, activation = 'silu', kernelIn = 3, kernelOut = 3 } = config;
  const style: ConvolutionalStyle = { groups, epsilon, activation };
  const first = (levels[0] as UnetLevel).width;
  return {
    kind: 'denoiser',
    inputs: config.inputs,
    outputs: config.outputs,
    size: config.size,
    condition: config.condition,
    forward(p, noisy, times, condition) {
      const time = timeEmbedding(p, times, config);
      const place: Place = { config, style, time, condition };
      const padding = Math.floor((kernelIn - 1) / 2);
      const start = convolution(p.at('conv_in'), noisy, first, { kernel: kernelIn, padding });
      const passed = [start];
      down(p, passed, place);
      const coarsest = passed.at(-1) as Tensor;
      const middle = (config.middle ?? true) ? between(p.at('mid_block'), coarsest, place) : coarsest;
      return head(p, up(p, middle, passed, place), config.outputs, style, kernelOut);
    },
  };
}

interface Place {
  readonly config: UnetConfig;
  readonly style: ConvolutionalStyle;
  readonly time: Tensor;
  readonly condition: Tensor;
}

/** Moments [B] -> [B, E] */
function timeEmbedding(p: Params, times: Tensor, config: UnetConfig): Tensor {
  const { levels, activation = 'silu', cosinesFirst = true, shift = 0 } = config;
  const { width } = levels[0] as UnetLevel;
  const at = p.at('time_embedding');
  const waves = timestepEmbedding(times, width, { cosinesFirst, shift });
  return linear(at.at('linear_2'), activations[activation](linear(at.at('linear_1'), waves, 4 * width)), 4 * width);
}

/** Adds to `passed` what each block and each halving gives. */
function down(p: Params, passed: Tensor[], place: Place): void {
  const { levels, downPadding = 1 } = place.config;
  for (const [i, level] of levels.entries()) {
    const at = p.at('down_blocks', i);
    for (let j = 0; j < level.layers; j++) {
      const x = resnet(at.at('resnets', j), passed.at(-1) as Tensor, level.width, place.style, place.time);
      passed.push(level.attention ? transformer(at.at('attentions', j), x, { ...place, ...attentionOf(i, place) }) : x);
    }
    if (i < levels.length - 1) passed.push(downsample(at, passed.at(-1) as Tensor, downPadding));
  }
}

function between(p: Params, x: Tensor, place: Place): Tensor {
  const { levels } = place.config;
  const { width } = levels.at(-1) as UnetLevel;
  const own = { ...attentionOf(levels.length - 1, place), crossOnly: false };
  const before = resnet(p.at('resnets', 0), x, width, place.style, place.time);
  const seen = transformer(p.at('attentions', 0), before, { ...place, ...own });
  return resnet(p.at('resnets', 1), seen, width, place.style, place.time);
}

/** Takes from `passed`, last first, what is set beside the hidden channels before each block. */
function up(p: Params, start: Tensor, passed: Tensor[], place: Place): Tensor {
  const { levels } = place.config;
  let x = start;
  for (const [i, level] of levels.toReversed().entries()) {
    const at = p.at('up_blocks', i);
    const own = attentionOf(levels.length - 1 - i, place);
    const depth = level.depthUp ?? own.depth;
    for (let j = 0; j <= level.layers; j++) {
      const both = concat([x, passed.pop() as Tensor], 1);
      x = resnet(at.at('resnets', j), both, level.width, place.style, place.time);
      if (level.attentionUp ?? level.attention) {
        x = transformer(at.at('attentions', j), x, { ...place, ...own, depth });
      }
    }
    if (i < levels.length - 1) x = upsample(at, x, (passed.at(-1) as Tensor).shape.slice(2));
  }
  return x;
}

interface Attention {
  readonly heads: number;
  readonly depth: number;
  readonly crossOnly: boolean;
}

function attentionOf(level: number, { config }: Place): Attention {
  const { heads, depth = 1, crossOnly = false } = config.levels[level] as UnetLevel;
  return { heads, depth, crossOnly };
}

/** Places of a picture attend to each other and to the condition: x [B, C, height, width] -> the same */
function transformer(p: Params, x: Tensor, place: Place & Attention): Tensor {
  const { config, style } = place;
  const channels = x.size(1);
  const normal = groupNorm(p.at('norm'), x, style.groups, 1e-6);
  const rows = (t: Tensor): Tensor => transpose(flatten(t, 2, 3), [0, 2, 1]); // [B, P, C]
  const grid = (t: Tensor): Tensor => reshape(transpose(t, [0, 2, 1]), x.shape);
  let hidden = config.linear
    ? linear(p.at('proj_in'), rows(normal), channels)
    : rows(convolution(p.at('proj_in'), normal, channels, { kernel: 1 }));
  for (let i = 0; i < place.depth; i++) hidden = block(p.at('transformer_blocks', i), hidden, place);
  const out = config.linear
    ? grid(linear(p.at('proj_out'), hidden, channels))
    : convolution(p.at('proj_out'), grid(hidden), channels, { kernel: 1 });
  return add(x, out);
}

/** x [B, P, C] -> [B, P, C] */
function block(p: Params, x: Tensor, { heads, crossOnly, condition }: Place & Attention): Tensor {
  const seen = layerNorm(p.at('norm1'), x, 1e-5);
  const own = add(x, attention(p.at('attn1'), seen, crossOnly ? condition : seen, heads));
  const told = add(own, attention(p.at('attn2'), layerNorm(p.at('norm2'), own, 1e-5), condition, heads));
  return add(told, gated(p.at('ff', 'net'), layerNorm(p.at('norm3'), told, 1e-5)));
}

/** x [B, P, C] looks at memory [B, T, D] -> [B, P, C] */
function attention(p: Params, x: Tensor, memory: Tensor, heads: number): Tensor {
  const width = x.size(-1);
  const without = { bias: false };
  const q = linear(p.at('to_q'), x, width, without);
  const k = linear(p.at('to_k'), memory, width, without);
  const v = linear(p.at('to_v'), memory, width, without);
  return linear(p.at('to_out', 0), attend(q, k, v, { heads }), width);
}

/** Shazeer, "GLU Variants Improve Transformer", 2020: [B, P, C] -> [B, P, C] */
function gated(p: Params, x: Tensor): Tensor {
  const width = x.size(-1);
  const [hidden, gate] = split(linear(p.at(0, 'proj'), x, 8 * width), 2, -1) as [Tensor, Tensor];
  return linear(p.at(2), mul(hidden, gelu(gate)), width);
}

const downTypes = { DownBlock2D: false, CrossAttnDownBlock2D: true } as const;
const upTypes = { UpBlock2D: false, CrossAttnUpBlock2D: true } as const;

/** Options that are built in one way only. */
const built = {
  center_input_sample: false,
  dual_cross_attention: false,
  mid_block_type: 'UNetMidBlock2DCrossAttn',
  mid_block_scale_factor: 1,
  resnet_time_scale_shift: 'default',
  resnet_skip_time_act: false,
  resnet_out_scale_factor: 1,
  time_embedding_type: 'positional',
  time_embedding_dim: null,
  time_embedding_act_fn: null,
  timestep_post_act: null,
  time_cond_proj_dim: null,
  class_embed_type: null,
  num_class_embeds: null,
  class_embeddings_concat: false,
  addition_embed_type: null,
  encoder_hid_dim: null,
  encoder_hid_dim_type: null,
  cross_attention_norm: null,
  attention_type: 'default',
};

/** The configuration in a diffusers `config.json` of a UNet2DConditionModel. */
export function readUnet(config: Fields): UnetConfig {
  requireOptions(config, built);
  const widths = config.numbers('block_out_channels', [320, 640, 1280, 1280]);
  const count = widths.length;
  const list = <T>(name: string, read: (item: unknown) => T): readonly T[] => perLevel(config, name, count, read);
  const whole = (name: string, otherwise: number) =>
    list(name, (item) => {
      if (typeof item === 'number') return item;
      if (item === undefined || item === null) return otherwise;
      throw config.wrong(name, 'a number, or one for each level');
    });
  const down = blockTypes(config, 'down_block_types', downTypes, count);
  const up = blockTypes(config, 'up_block_types', upTypes, count).toReversed();
  const layers = whole('layers_per_block', 2);
  // What is called the width of a head is their number; a later name says so.
  const heads = whole(config.has('num_attention_heads') ? 'num_attention_heads' : 'attention_head_dim', 8);
  const depths = whole('transformer_layers_per_block', 1);
  const depthsUp = config.has('reverse_transformer_layers_per_block')
    ? whole('reverse_transformer_layers_per_block', 1).toReversed()
    : depths;
  const crossOnly = list('only_cross_attention', (item) => item === true);
  const [condition = 1280, ...others] = whole('cross_attention_dim', 1280);
  if (others.some((width) => width !== condition)) {
    throw new QuintetError('unsupported', 'cross_attention_dim: conditions of different widths', { at: config.at });
  }
  return {
    size: config.count('sample_size', 64),
    inputs: config.count('in_channels', 4),
    outputs: config.count('out_channels', 4),
    levels: widths.map((width, i) => ({
      width,
      layers: layers[i] as number,
      attention: down[i] as boolean,
      attentionUp: up[i] as boolean,
      heads: heads[i] as number,
      depth: depths[i] as number,
      depthUp: depthsUp[i] as number,
      crossOnly: crossOnly[i] as boolean,
    })),
    condition,
    // Elsewhere null stands for the default; here it says that there are none.
    middle: config.raw.mid_block_type !== null,
    linear: config.flag('use_linear_projection', false),
    groups: config.count('norm_num_groups', 32),
    epsilon: config.number('norm_eps', 1e-5),
    activation: activationOf(config, 'act_fn', 'silu'),
    cosinesFirst: config.flag('flip_sin_to_cos', true),
    shift: config.number('freq_shift', 0),
    kernelIn: config.count('conv_in_kernel', 3),
    kernelOut: config.count('conv_out_kernel', 3),
    downPadding: config.whole('downsample_padding', 1),
  };
}
