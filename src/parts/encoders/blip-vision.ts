/**
 * The vision transformer of BLIP-2 (EVA's ViT-g less its last block): a class token, queries, keys and values in one product.
 *
 * Fang et al., "EVA", 2023, https://arxiv.org/abs/2211.07636; Li et al., "BLIP-2", 2023, https://arxiv.org/abs/2301.12597
 *
 * B batch, P patches, D width
 */
import { add, concat, expand, split, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  attend,
  layerNorm,
  linear,
  mlp,
  normal,
  type Params,
  patchEmbedding,
  readHeads,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Encoder } from '../types.js';

export interface BlipVisionConfig {
  readonly image: number;
  readonly patch: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  /** Default gelu. */
  readonly activation?: ActivationName;
  /** Default 1e-6. */
  readonly epsilon?: number;
  /** Whether queries, keys and values have biases; default true. */
  readonly bias?: boolean;
}

/** Class token and patches after the last norm: [B, 1+P, D] */
export function blipVision(config: BlipVisionConfig): Encoder {
  const { image, patch, width, depth, epsilon = 1e-6 } = config;
  const count = Math.floor(image / patch) ** 2;
  return {
    kind: 'encoder',
    image,
    forward(p, pixels) {
      const at = p.at('embeddings');
      const tokens = patchEmbedding(at, pixels, width, { patch });
      const first = expand(at.get('class_embedding', [1, 1, width], normal(0.02)), [pixels.dim(0), 1, width]);
      let x = add(concat([first, tokens], 1), at.get('position_embedding', [1, count + 1, width], normal(0.02)));
      for (let i = 0; i < depth; i++) x = block(p.at('encoder', 'layers', i), x, config);
      return layerNorm(p.at('post_layernorm'), x, epsilon);
    },
  };
}

function block(p: Params, x: Tensor, config: BlipVisionConfig): Tensor {
  const { width, heads, hidden, activation = 'gelu', epsilon = 1e-6, bias = true } = config;
  const at = p.at('self_attn');
  const seen = layerNorm(p.at('layer_norm1'), x, epsilon);
  const [q, k, v] = split(linear(at.at('qkv'), seen, 3 * width, { bias }), 3, -1) as [Tensor, Tensor, Tensor];
  const mixed = add(x, linear(at.at('projection'), attend(q, k, v, { heads }), width));
  return add(mixed, mlp(p.at('mlp'), layerNorm(p.at('layer_norm2'), mixed, epsilon), hidden, activation));
}

/** The configuration in a `config.json` of model_type blip_2_vision_model. */
export function readBlipVision(config: Fields): BlipVisionConfig {
  return {
    image: config.count('image_size', 224),
    patch: config.count('patch_size', 14),
    ...readHeads(config, { width: 1408, heads: 16 }),
    depth: config.depth('num_hidden_layers', 39),
    hidden: config.count('intermediate_size', 6144),
    activation: activationOf(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-6),
    bias: config.flag('qkv_bias', true),
  };
}
