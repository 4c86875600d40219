/**
 * OPT: a pre-norm transformer with learned positions, ReLU and tied embeddings; its 350M size is post-norm and factorised.
 *
 * Zhang et al., "OPT: Open Pre-trained Transformer Language Models", 2022, https://arxiv.org/abs/2205.01068
 *
 * B batch, T tokens, E width of words, D width
 */
import { add, full, layerNormalization, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  activations,
  embedding,
  layerNorm,
  linear,
  type Params,
  queriesKeysValues,
  readHeads,
  readPadding,
  wordScores,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone, Context } from '../types.js';

export interface OptConfig {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocab: number;
  /** The word that texts are padded with: its embedding learns nothing; default none. */
  readonly padding?: number;
  /** Default 2048. */
  readonly context?: number;
  /** Default: width. */
  readonly wordWidth?: number;
  readonly activation?: ActivationName;
  /** Whether norms come before what they are for; default true. */
  readonly normFirst?: boolean;
  /** Whether a pre-norm model ends in a norm; default true. */
  readonly lastNorm?: boolean;
  /** Default true. */
  readonly bias?: boolean;
  /** Whether norms have weights; default true. */
  readonly affine?: boolean;
  /** Whether the head is the embedding table; default true. */
  readonly tied?: boolean;
}

/** The table of positions begins with rows for padding. */
const firstPosition = 2;
const epsilon = 1e-5;

export function opt(config: OptConfig): Backbone {
  const { width, depth, vocab, context: longest = 2048, wordWidth = width } = config;
  const { normFirst = true, lastNorm = true, tied = true } = config;
  return {
    kind: 'backbone',
    width: wordWidth,
    vocab,
    depth,
    context: longest,
    embed: (p, ids) => embedding(p.at('model.decoder.embed_tokens'), ids, [vocab, wordWidth], config.padding),
    forward(p, embeddings, context) {
      const at = p.at('model', 'decoder');
      const words = wordWidth === width ? embeddings : linear(at.at('project_in'), embeddings, width, { bias: false });
      const places = add(context.positions, firstPosition);
      let x = add(words, embedding(at.at('embed_positions'), places, [longest + firstPosition, width]));
      for (let layer = 0; layer < depth; layer++) x = block(at.at('layers', layer), x, { config, layer, context });
      if (normFirst && lastNorm) x = norm(at.at('final_layer_norm'), x, config);
      return wordWidth === width ? x : linear(at.at('project_out'), x, wordWidth, { bias: false });
    },
    logits: (p, hidden) => wordScores(p, hidden, { vocab, table: tied ? 'model.decoder.embed_tokens' : undefined }),
  };
}

interface Place {
  readonly config: OptConfig;
  readonly layer: number;
  readonly context: Context;
}

/** x [B, T, D] -> [B, T, D] */
function block(p: Params, x: Tensor, { config, layer, context }: Place): Tensor {
  const { width, heads, hidden, normFirst = true, bias = true, activation = 'relu' } = config;
  const around = (name: string, input: Tensor, inner: (seen: Tensor) => Tensor): Tensor =>
    normFirst ? add(input, inner(norm(p.at(name), input, config))) : norm(p.at(name), add(input, inner(input)), config);
  const mixed = around('self_attn_layer_norm', x, (seen) => {
    const at = p.at('self_attn');
    const [q, k, v] = queriesKeysValues(at, seen, width, { bias });
    const attended = context.attend(layer, q, k, v, { heads, kvHeads: heads });
    return linear(at.at('out_proj'), attended, width, { bias });
  });
  return around('final_layer_norm', mixed, (seen) =>
    linear(p.at('fc2'), activations[activation](linear(p.at('fc1'), seen, hidden, { bias })), width, { bias }),
  );
}

function norm(p: Params, x: Tensor, { affine = true }: OptConfig): Tensor {
  return affine ? layerNorm(p, x, epsilon) : layerNormalization(x, full('f32', [x.size(-1)], 1), null, epsilon);
}

/** The configuration in a `config.json` of model_type opt. */
export function readOpt(config: Fields): OptConfig {
  const shared = readHeads(config, { width: 768, heads: 12 });
  const vocab = config.count('vocab_size', 50272);
  return {
    ...shared,
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('ffn_dim', 3072),
    vocab,
    ...readPadding(config, vocab, 1),
    context: config.count('max_position_embeddings', 2048),
    wordWidth: config.count('word_embed_proj_dim', shared.width),
    activation: activationOf(config, 'activation_function', 'relu'),
    normFirst: config.flag('do_layer_norm_before', true),
    lastNorm: !config.flag('_remove_final_layer_norm', false),
    bias: config.flag('enable_bias', true),
    affine: config.flag('layer_norm_elementwise_affine', true),
    tied: config.flag('tie_word_embeddings', true),
  };
}
