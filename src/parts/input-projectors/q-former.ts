/**
 * Q-Former: a fixed set of learned queries reads a frozen encoder by cross-attention.
 *
 * Li et al., "BLIP-2", 2023, section 3.1, https://arxiv.org/abs/2301.12597
 *
 * B batch, N image features, E their width, Q queries, D query width
 */
import { add, expand, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  activations,
  attend,
  layerNorm,
  linear,
  normal,
  type Params,
  readHeads,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { InputProjector } from '../types.js';

export interface QFormerConfig {
  readonly queries: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  /** Every how many blocks a cross-attention is placed, from the first block on; default 2. */
  readonly crossEvery?: number;
  /** Default gelu. */
  readonly activation?: ActivationName;
  /** Default 1e-12. */
  readonly epsilon?: number;
}

export function qFormer(config: QFormerConfig): InputProjector {
  const { queries, width, depth, crossEvery = 2, epsilon = 1e-12 } = config;
  return {
    kind: 'input-projector',
    forward(p, features, out) {
      const learned = p.get('query_tokens', [1, queries, width], normal(0.02));
      let x = expand(learned, [features.dim(0), queries, width]); // [B, Q, D]
      x = layerNorm(p.at('qformer.layernorm'), x, epsilon);
      for (let i = 0; i < depth; i++) {
        const memory = i % crossEvery === 0 ? features : null;
        x = block(p.at('qformer.encoder.layer', i), x, memory, config);
      }
      return linear(p.at('language_projection'), x, out);
    },
  };
}

/** A post-norm BERT block that may look at memory. x [B, Q, D], memory [B, N, E] -> [B, Q, D] */
function block(p: Params, x: Tensor, memory: Tensor | null, config: QFormerConfig): Tensor {
  const { width, hidden, activation = 'gelu', epsilon = 1e-12 } = config;
  let mixed = look(p.at('attention'), x, x, config);
  if (memory) mixed = look(p.at('crossattention'), mixed, memory, config);
  const inner = activations[activation](linear(p.at('intermediate_query.dense'), mixed, hidden));
  const added = add(mixed, linear(p.at('output_query.dense'), inner, width));
  return layerNorm(p.at('output_query.LayerNorm'), added, epsilon);
}

/** Attention of x to memory, added to x and normalised. */
function look(p: Params, x: Tensor, memory: Tensor, { width, heads, epsilon = 1e-12 }: QFormerConfig): Tensor {
  const at = p.at('attention');
  const q = linear(at.at('query'), x, width);
  const k = linear(at.at('key'), memory, width);
  const v = linear(at.at('value'), memory, width);
  const seen = linear(p.at('output.dense'), attend(q, k, v, { heads }), width);
  return layerNorm(p.at('output.LayerNorm'), add(x, seen), epsilon);
}

/** The configuration in a `config.json` of model_type blip_2_qformer. */
export function readQFormer(config: Fields, queries: number): QFormerConfig {
  return {
    queries,
    ...readHeads(config, { width: 768, heads: 12 }),
    depth: config.whole('num_hidden_layers', 12),
    hidden: config.whole('intermediate_size', 3072),
    crossEvery: config.whole('cross_attention_frequency', 2),
    activation: activationOf(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-12),
  };
}
