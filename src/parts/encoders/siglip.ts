/**
 * SigLIP: a vision transformer without a class token and a text transformer, trained by a sigmoid loss.
 *
 * Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023, https://arxiv.org/abs/2303.15343
 *
 * B batch, P patches, T tokens, D width
 */
import { add, expand, range, select, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  embedding,
  encoderBlock,
  jointAttention,
  layerNorm,
  linear,
  mlp,
  normal,
  type Params,
  paddingMask,
  patchEmbedding,
  readHeads,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Encoder, Tower, TowerStates } from '../types.js';
import { type LayerFeatures, layerFeatures } from './layer-features.js';

interface SiglipBlocks {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  /** Default gelu_pytorch_tanh. */
  readonly activation?: ActivationName;
  /** Default 1e-6. */
  readonly epsilon?: number;
}

export interface SiglipVisionConfig extends SiglipBlocks {
  readonly image: number;
  readonly patch: number;
  /** Whether a learned probe pools the patches by attention; default true. */
  readonly head?: boolean;
}

export interface SiglipTextConfig extends SiglipBlocks {
  readonly vocab: number;
  /** Texts are padded to this many tokens. */
  readonly context: number;
  /** Width of the text's vector; default `width`. */
  readonly projection?: number;
}

/** Pictures [B, 3, I, I] to patches and, where there is a head, one vector [B, D]. */
export function siglipVisionTower(config: SiglipVisionConfig): Tower {
  return {
    kind: 'tower',
    inputs: { pixel_values: { dtype: 'f32', shape: ['M', 3, config.image, config.image] } },
    buffers: ['embeddings.position_ids'],
    width: config.width,
    forward(p, { pixel_values: pixels }) {
      const seen = siglipVisionStates(p, pixels as Tensor, config);
      return (config.head ?? true) ? { ...seen, pooled: attentionPool(p.at('head'), seen.last, config) } : seen;
    },
  };
}

/** The vision transformer as an encoder: hidden states of some layers. */
export const siglipVision = (config: SiglipVisionConfig & LayerFeatures): Encoder =>
  layerFeatures(siglipVisionTower(config), config);

export interface SiglipPatches {
  /** Which learned position each patch has, i64 [B, P]; default their order. */
  readonly positions?: Tensor;
  /** Added to attention scores, [B, 1, 1, P]; default nothing is hidden. */
  readonly mask?: Tensor;
}

/** The hidden states of patches [B, P, D]: below `embeddings`, `encoder` and `post_layernorm`. */
export function siglipVisionStates(
  p: Params,
  pixels: Tensor,
  config: SiglipVisionConfig,
  { positions, mask }: SiglipPatches = {},
): TowerStates {
  const { image, patch, width, epsilon = 1e-6 } = config;
  const at = p.at('embeddings');
  const tokens = patchEmbedding(at, pixels, width, { patch });
  const table = [Math.floor(image / patch) ** 2, width] as const;
  const places = positions ?? range(0, table[0]);
  const states = blocks(p, add(tokens, embedding(at.at('position_embedding'), places, table)), config, mask);
  return { states, last: layerNorm(p.at('post_layernorm'), states[config.depth] as Tensor, epsilon) };
}

function blocks(p: Params, embedded: Tensor, config: SiglipBlocks, mask: Tensor | null = null): Tensor[] {
  const { depth, heads, hidden, activation = 'gelu_pytorch_tanh', epsilon = 1e-6 } = config;
  const states = [embedded];
  for (let i = 0; i < depth; i++) {
    const at = p.at('encoder', 'layers', i);
    states.push(encoderBlock(at, states[i] as Tensor, { heads, hidden, activation, epsilon }, mask));
  }
  return states;
}

/** A learned probe attends to the patches, then passes a perceptron: [B, P, D] -> [B, D] */
function attentionPool(p: Params, patches: Tensor, config: SiglipVisionConfig): Tensor {
  const { width, heads, hidden, activation = 'gelu_pytorch_tanh', epsilon = 1e-6 } = config;
  const probe = expand(p.get('probe', [1, 1, width], normal(0.02)), [patches.dim(0), 1, width]);
  const mixed = jointAttention(p.at('attention'), probe, patches, heads); // [B, 1, D]
  const out = add(mixed, mlp(p.at('mlp'), layerNorm(p.at('layernorm'), mixed, epsilon), hidden, activation));
  return select(out, 1, 0);
}

/** Texts of full length, padded, all of whose tokens see each other; the last one's state stands for the text. */
export function siglipTextTower(config: SiglipTextConfig): Tower {
  const { vocab, context, width, depth, projection = width, epsilon = 1e-6 } = config;
  return {
    kind: 'tower',
    inputs: { input_ids: { dtype: 'i64', shape: ['B', 'T'] }, attention_mask: { dtype: 'i64', shape: ['B', 'T'] } },
    buffers: ['embeddings.position_ids'],
    context,
    width: projection,
    forward(p, { input_ids: ids, attention_mask: present }) {
      const at = p.at('embeddings');
      const words = embedding(at.at('token_embedding'), ids as Tensor, [vocab, width]);
      const places = range(0, (ids as Tensor).dim(1));
      const embedded = add(words, embedding(at.at('position_embedding'), places, [context, width]));
      const states = blocks(p, embedded, config, present ? paddingMask(present) : null);
      const last = layerNorm(p.at('final_layer_norm'), states[depth] as Tensor, epsilon);
      return { states, last, pooled: linear(p.at('head'), select(last, 1, -1), projection) };
    },
  };
}

/** What SigLIP takes where a file is silent. */
const base = { width: 768, heads: 12 };

function readBlocks(config: Fields, otherwise = base) {
  return {
    ...readHeads(config, otherwise),
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('intermediate_size', 3072),
    activation: activationOf(config, 'hidden_act', 'gelu_pytorch_tanh'),
    epsilon: config.number('layer_norm_eps', 1e-6),
  };
}

/** The configuration in a `config.json` of model_type siglip_vision_model, or of one that differs in what it takes for granted. */
export function readSiglipVision(config: Fields, otherwise = base): SiglipVisionConfig {
  return {
    ...readBlocks(config, otherwise),
    image: config.count('image_size', 224),
    patch: config.count('patch_size', 16),
    head: config.flag('vision_use_head', true),
  };
}

/** The configuration in a `config.json` of model_type siglip_text_model. */
export function readSiglipText(config: Fields): SiglipTextConfig {
  const blocksConfig = readBlocks(config);
  return {
    ...blocksConfig,
    vocab: config.count('vocab_size', 32000),
    context: config.count('max_position_embeddings', 64),
    projection: config.count('projection_size', blocksConfig.width),
  };
}
