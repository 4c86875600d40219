/**
 * Q-Former: a fixed set of learned queries reads a frozen encoder by cross-attention.
 *
 * Li et al., "BLIP-2", 2023, section 3.1, https://arxiv.org/abs/2301.12597
 *
 * B batch, N image features, E their width, Q queries, T words, D query width
 */
import { add, concat, expand, slice, type Tensor } from '../../graph/index.js';
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
import type { Dim, Fields } from '../../tensor/index.js';
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
  return {
    kind: 'input-projector',
    forward(p, features, out) {
      const learned = learnedQueries(p, features.dim(0), config);
      const seen = former(p.at('qformer'), learned, { queries: config.queries, memory: features }, config);
      return linear(p.at('language_projection'), seen, out);
    },
  };
}

/** The same queries for each of B rows: [B, Q, D] */
export function learnedQueries(p: Params, rows: Dim, { queries, width }: QFormerConfig): Tensor {
  return expand(p.get('query_tokens', [1, queries, width], normal(0.02)), [rows, queries, width]);
}

/** Who is in a row of a Q-Former, and what is seen. */
export interface Company {
  /** How many queries stand first; what follows are words. */
  readonly queries: number;
  /** What queries look at [B, N, E]. */
  readonly memory?: Tensor;
  /** Who may look at whom: [B, 1, Q+T, Q+T] or alike; default everybody at everybody. */
  readonly mask?: Tensor;
}

/** Queries and words [B, Q+T, D] through all blocks -> [B, Q+T, D] */
export function former(p: Params, x: Tensor, company: Company, config: QFormerConfig): Tensor {
  const { depth, crossEvery = 2, epsilon = 1e-12 } = config;
  const { memory, ...others } = company;
  let states = layerNorm(p.at('layernorm'), x, epsilon);
  for (let i = 0; i < depth; i++) {
    const looks = memory && i % crossEvery === 0 ? { memory } : {};
    states = block(p.at('encoder.layer', i), states, { ...others, ...looks }, config);
  }
  return states;
}

/** A post-norm BERT block. Queries may look at memory; queries and words have perceptrons of their own. */
function block(p: Params, x: Tensor, { queries, memory, mask }: Company, config: QFormerConfig): Tensor {
  const mixed = look(p.at('attention'), x, { to: x, ...(mask ? { mask } : {}) }, config);
  const count = x.dim(1);
  if (queries === 0) return perceptron(p, mixed, '', config);
  const asked = count === queries ? mixed : slice(mixed, 1, 0, queries);
  const seen = memory ? look(p.at('crossattention'), asked, { to: memory }, config) : asked;
  const own = perceptron(p, seen, '_query', config);
  if (count === queries) return own;
  return concat([own, perceptron(p, slice(mixed, 1, queries), '', config)], 1);
}

function perceptron(p: Params, x: Tensor, kind: '' | '_query', config: QFormerConfig): Tensor {
  const { width, hidden, activation = 'gelu', epsilon = 1e-12 } = config;
  const inner = activations[activation](linear(p.at(`intermediate${kind}.dense`), x, hidden));
  const added = add(x, linear(p.at(`output${kind}.dense`), inner, width));
  return layerNorm(p.at(`output${kind}.LayerNorm`), added, epsilon);
}

interface Looking {
  readonly to: Tensor;
  readonly mask?: Tensor;
}

/** Attention of x, added to x and normalised. */
function look(p: Params, x: Tensor, { to, mask }: Looking, { width, heads, epsilon = 1e-12 }: QFormerConfig): Tensor {
  const at = p.at('attention');
  const q = linear(at.at('query'), x, width);
  const k = linear(at.at('key'), to, width);
  const v = linear(at.at('value'), to, width);
  const seen = linear(p.at('output.dense'), attend(q, k, v, { heads, ...(mask ? { mask } : {}) }), width);
  return layerNorm(p.at('output.LayerNorm'), add(x, seen), epsilon);
}

/** The configuration in a `config.json` of model_type blip_2_qformer. */
export function readQFormer(config: Fields, queries: number): QFormerConfig {
  return {
    queries,
    ...readHeads(config, { width: 768, heads: 12 }),
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('intermediate_size', 3072),
    crossEvery: config.count('cross_attention_frequency', 2),
    activation: activationOf(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-12),
  };
}
