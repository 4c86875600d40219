/**
 * CLIP: a vision transformer and a text transformer that meet in one space.
 *
 * Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
 * https://arxiv.org/abs/2103.00020
 *
 * B batch, P patches, T tokens, D width
 */
import { add, concat, expand, select, type Tensor, unsqueeze } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  encoderBlock,
  layerNorm,
  normal,
  type Params,
  patchEmbedding,
  readHeads,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Encoder, Tower } from '../types.js';
import { type LayerFeatures, layerFeatures } from './layer-features.js';

export interface ClipVisionConfig {
  readonly image: number;
  readonly patch: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  /** Default quick_gelu. */
  readonly activation?: ActivationName;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

/** The vision transformer as an encoder: hidden states of some layers. */
export const clipVision = (config: ClipVisionConfig & LayerFeatures): Encoder =>
  layerFeatures(clipVisionTower(config), config);

/** The vision transformer as an encoder of one vector a picture, the normalised class token: features [B, 1, D]. */
export function clipVector(config: ClipVisionConfig): Encoder {
  return {
    kind: 'encoder',
    image: config.image,
    buffers: ['vision_model.embeddings.position_ids'],
    forward(p, pixels) {
      const { pooled } = clipVisionTower(config).forward(p.at('vision_model'), { pixel_values: pixels });
      return unsqueeze(pooled as Tensor, 1);
    },
  };
}

/** Pictures to hidden states of the class token and the patches [B, 1+P, D], and the normalised class token [B, D]. */
export function clipVisionTower(config: ClipVisionConfig): Tower {
  const { image, width, depth, epsilon = 1e-5 } = config;
  return {
    kind: 'tower',
    inputs: { pixel_values: { dtype: 'f32', shape: ['M', 3, image, image] } },
    buffers: ['embeddings.position_ids'],
    width,
    forward(p, { pixel_values: pixels }) {
      const embedded = patches(p.at('embeddings'), pixels as Tensor, config);
      const states = [layerNorm(p.at('pre_layrnorm'), embedded, epsilon)];
      for (let i = 0; i < depth; i++) {
        const block = { activation: 'quick_gelu', epsilon, ...config } as const;
        states.push(encoderBlock(p.at('encoder', 'layers', i), states[i] as Tensor, block));
      }
      const last = states[depth] as Tensor;
      return { states, last, pooled: layerNorm(p.at('post_layernorm'), select(last, 1, 0), epsilon) };
    },
  };
}

function patches(p: Params, pixels: Tensor, { image, patch, width }: ClipVisionConfig): Tensor {
  const count = Math.floor(image / patch) ** 2;
  const tokens = patchEmbedding(p, pixels, width, { patch, bias: false });
  const first = expand(p.get('class_embedding', [width], normal(0.02)), [pixels.dim(0), 1, width]);
  return add(concat([first, tokens], 1), p.at('position_embedding').get('weight', [count + 1, width], normal(0.02)));
}

/** The configuration in a `config.json` of model_type clip_vision_model. */
export function readClipVision(config: Fields): ClipVisionConfig {
  return {
    image: config.count('image_size', 224),
    patch: config.count('patch_size', 32),
    ...readHeads(config, { width: 768, heads: 12 }),
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('intermediate_size', 3072),
    activation: activationOf(config, 'hidden_act', 'quick_gelu'),
    epsilon: config.number('layer_norm_eps', 1e-5),
  };
}
