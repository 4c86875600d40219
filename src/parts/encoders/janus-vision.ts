/**
 * The vision transformer by which Janus understands pictures: SigLIP's, with names of its own and optional norms of queries
 * and keys.
 *
 * Chen et al., "Janus-Pro", 2025, https://arxiv.org/abs/2501.17811; Zhai et al., "Sigmoid Loss for Language Image
 * Pre-Training", 2023, https://arxiv.org/abs/2303.15343
 *
 * B batch, P patches, D width
 */
import { add, range, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  attend,
  embedding,
  layerNorm,
  linear,
  mlp,
  type Params,
  patchEmbedding,
  readHeads,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Encoder } from '../types.js';

export interface JanusVisionConfig {
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
  /** Whether queries and keys are normalised; default false. */
  readonly normalised?: boolean;
}

/** Patches after the last norm: [B, P, D] */
export function janusVision(config: JanusVisionConfig): Encoder {
  const { image, patch, width, depth, epsilon = 1e-6 } = config;
  const count = Math.floor(image / patch) ** 2;
  return {
    kind: 'encoder',
    image,
    buffers: ['embeddings.position_ids'],
    forward(p, pixels) {
      const at = p.at('embeddings');
      const tokens = patchEmbedding(at, pixels, width, { patch });
      let x = add(tokens, embedding(at.at('position_embedding'), range(0, count), [count, width]));
      for (let i = 0; i < depth; i++) x = block(p.at('encoder', 'layers', i), x, config);
      return layerNorm(p.at('post_layernorm'), x, epsilon);
    },
  };
}

/** x [B, P, D] -> [B, P, D] */
function block(p: Params, x: Tensor, config: JanusVisionConfig): Tensor {
  const { hidden, activation = 'gelu', epsilon = 1e-6 } = config;
  const mixed = add(x, selfAttention(p.at('self_attn'), layerNorm(p.at('layer_norm1'), x, epsilon), config));
  return add(mixed, mlp(p.at('mlp'), layerNorm(p.at('layer_norm2'), mixed, epsilon), hidden, activation));
}

function selfAttention(p: Params, x: Tensor, { width, heads, bias = true, normalised }: JanusVisionConfig): Tensor {
  const project = (name: string): Tensor => linear(p.at(name), x, width, { bias });
  // The norms' epsilon is PyTorch's default, whatever that of the blocks is.
  const norm = (name: string, y: Tensor): Tensor => (normalised ? layerNorm(p.at(name), y, 1e-5) : y);
  const [q, k] = [norm('q_norm', project('q_proj')), norm('k_norm', project('k_proj'))];
  return linear(p.at('projection_layer'), attend(q, k, project('v_proj'), { heads }), width);
}

/** The configuration in a `config.json` of model_type janus_vision_model. */
export function readJanusVision(config: Fields): JanusVisionConfig {
  const { width, heads } = readHeads(config, { width: 1024, heads: 16 });
  const normalised = config.flag('use_qk_norm', false);
  if (normalised && heads > 1) {
    // The reference norms each head, by weights of the whole width: it runs where there is one head.
    throw new QuintetError('unsupported', 'use_qk_norm with more than one head', { at: config.at });
  }
  return {
    image: config.count('image_size', 384),
    patch: config.count('patch_size', 16),
    width,
    depth: config.depth('num_hidden_layers', 24),
    heads,
    hidden: Math.trunc(width * config.number('mlp_ratio', 4)),
    activation: activationOf(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-6),
    bias: config.flag('attention_bias', true),
    normalised,
  };
}
