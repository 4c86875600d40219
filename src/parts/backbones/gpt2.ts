/**
 * GPT-2: a pre-norm transformer with learned positions, whose linear layers are stored [in, out].
 *
 * Radford et al., "Language Models are Unsupervised Multitask Learners", 2019,
 * https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
 *
 * B batch, T tokens, D width, H heads, K head width
 */
import { add, split, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  activations,
  embedding,
  inOutLinear,
  layerNorm,
  normal,
  type Params,
  readHeads,
  wordScores,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Backbone, Context } from '../types.js';

export interface Gpt2Config {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Default: four times the width. */
  readonly hidden?: number;
  readonly vocab: number;
  /** Default 1024. */
  readonly context?: number;
  /** Of the layer norms; default 1e-5. */
  readonly epsilon?: number;
  readonly activation?: ActivationName;
  /** Whether the head is the embedding table; default true. */
  readonly tied?: boolean;
  /** Whether scores are divided by sqrt(K); default true. */
  readonly scaled?: boolean;
  /** Whether scores are also divided by the number of their layer, from 1 on; default false. */
  readonly scaledByLayer?: boolean;
}

export function gpt2(config: Gpt2Config): Backbone {
  const { width, depth, vocab, context: longest = 1024, epsilon = 1e-5, tied = true } = config;
  return {
    kind: 'backbone',
    width,
    vocab,
    depth,
    context: longest,
    // Causal masks; names differ between releases in what stands before them.
    buffers: ['**.attn.{bias,masked_bias}'],
    embed: (p, ids) => embedding(p.at('transformer.wte'), ids, [vocab, width]),
    forward(p, embeddings, context) {
      const at = p.at('transformer');
      let x = add(embeddings, embedding(at.at('wpe'), context.positions, [longest, width]));
      for (let layer = 0; layer < depth; layer++) x = block(at.at('h', layer), x, { config, layer, context });
      return layerNorm(at.at('ln_f'), x, epsilon);
    },
    logits: (p, hidden) => wordScores(p, hidden, { vocab, table: tied ? 'transformer.wte' : undefined }),
  };
}

interface Place {
  readonly config: Gpt2Config;
  readonly layer: number;
  readonly context: Context;
}

/** x [B, T, D] -> [B, T, D] */
function block(p: Params, x: Tensor, { config, layer, context }: Place): Tensor {
  const { width, depth, heads, hidden = 4 * width, epsilon = 1e-5, activation = 'gelu_new' } = config;
  const { scaled = true, scaledByLayer = false } = config;
  // What is added to the residual grows with depth; section 2.3.
  const last = { init: normal(0.02 / Math.sqrt(2 * depth)) };
  const [q, k, v] = split(inOutLinear(p.at('attn.c_attn'), layerNorm(p.at('ln_1'), x, epsilon), 3 * width), 3, 2);
  const scale = (scaled ? (width / heads) ** -0.5 : 1) / (scaledByLayer ? layer + 1 : 1);
  const attended = context.attend(layer, q as Tensor, k as Tensor, v as Tensor, { heads, kvHeads: heads, scale });
  const mixed = add(x, inOutLinear(p.at('attn.c_proj'), attended, width, last));
  const within = inOutLinear(p.at('mlp.c_fc'), layerNorm(p.at('ln_2'), mixed, epsilon), hidden);
  return add(mixed, inOutLinear(p.at('mlp.c_proj'), activations[activation](within), width, last));
}

/** The configuration in a `config.json` of model_type gpt2. */
export function readGpt2(config: Fields): Gpt2Config {
  if (config.flag('add_cross_attention', false)) {
    throw new QuintetError('unsupported', 'add_cross_attention: a decoder that looks at an encoder', { at: config.at });
  }
  const shared = readHeads(config, { width: 768, heads: 12 }, { width: 'n_embd', heads: 'n_head' });
  return {
    ...shared,
    depth: config.depth('n_layer', 12),
    hidden: config.count('n_inner', 4 * shared.width),
    vocab: config.count('vocab_size', 50257),
    context: config.count('n_positions', 1024),
    epsilon: config.number('layer_norm_epsilon', 1e-5),
    activation: activationOf(config, 'activation_function', 'gelu_new'),
    tied: config.flag('tie_word_embeddings', true),
    scaled: config.flag('scale_attn_weights', true),
    scaledByLayer: config.flag('scale_attn_by_inverse_layer_idx', false),
  };
}
