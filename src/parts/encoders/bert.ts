/**
 * BERT: a transformer encoder of texts whose norms come after what they are for.
 *
 * Devlin et al., 2019, https://arxiv.org/abs/1810.04805
 *
 * B batch, T tokens, D width, V vocabulary
 */
import { add, full, range, select, type Tensor, tanh } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  activations,
  attend,
  embedding,
  layerNorm,
  linear,
  type Params,
  paddingMask,
  readHeads,
  readPadding,
  zeroed,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Tower, TowerStates } from '../types.js';

export interface BertConfig {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Width inside the perceptron. */
  readonly hidden: number;
  readonly vocab: number;
  /** The word that texts are padded with: its embedding learns nothing; default none. */
  readonly padding?: number;
  /** Default 512. */
  readonly context?: number;
  /** Kinds of text that are told apart: two, where a pair is read; default 2. */
  readonly types?: number;
  /** Default gelu. */
  readonly activation?: ActivationName;
  /** Default 1e-12. */
  readonly epsilon?: number;
}

/** Texts [B, T] to hidden states, and unless `pools` is false the first token's through the pooling head [B, D]. */
export function bertTower(config: BertConfig, { pools = true }: { readonly pools?: boolean } = {}): Tower {
  return {
    kind: 'tower',
    inputs: {
      input_ids: { dtype: 'i64', shape: ['B', 'T'] },
      attention_mask: { dtype: 'i64', shape: ['B', 'T'] },
      token_type_ids: { dtype: 'i64', shape: ['B', 'T'] },
    },
    buffers: ['embeddings.position_ids'],
    context: config.context ?? 512,
    width: config.width,
    forward(p, given) {
      const { states, last } = bertStates(p, given, config);
      return pools ? { states, last, pooled: pool(p, last, config) } : { states, last };
    },
  };
}

function bertStates(p: Params, given: Readonly<Record<string, Tensor>>, config: BertConfig): TowerStates {
  const { depth } = config;
  const ids = given.input_ids as Tensor;
  const { attention_mask: present = full('i64', ids.shape, 1), token_type_ids: types = full('i64', ids.shape, 0) } =
    given;
  const mask = paddingMask(present);
  const states = [embed(p.at('embeddings'), ids, types, config)];
  for (let i = 0; i < depth; i++) states.push(block(p.at('encoder.layer', i), states[i] as Tensor, mask, config));
  return { states, last: states[depth] as Tensor };
}

/** [B, T, D] -> [B, D] */
function pool(p: Params, last: Tensor, { width }: BertConfig): Tensor {
  return tanh(linear(p.at('pooler.dense'), select(last, 1, 0), width));
}

/**
 * A score for each word at each place, by the tower's own table of words: states [B, T, D] -> [B, T, V]. `tower` is the
 * scope that the tower was in.
 */
export function bertWordScores(p: Params, hidden: Tensor, tower: Params, config: BertConfig): Tensor {
  const { width, vocab, activation = 'gelu', epsilon = 1e-12 } = config;
  const inner = activations[activation](linear(p.at('transform.dense'), hidden, width));
  const states = layerNorm(p.at('transform.LayerNorm'), inner, epsilon);
  const scores = tower.at('embeddings.word_embeddings').shared.product('weight', states, vocab);
  return add(scores, p.get('bias', [vocab], zeroed));
}

/** The names that the first published files have for gains and offsets of the tower's norms: pairs of ours and theirs. */
export function bertFirstNorms({ depth }: BertConfig): (readonly [ours: string, theirs: string])[] {
  const blocks = Array.from({ length: depth }, (_, i) => `encoder.layer.${i}`);
  const norms = ['embeddings', ...blocks.flatMap((block) => [`${block}.attention.output`, `${block}.output`])];
  return norms.flatMap((norm) => firstNorm(`${norm}.LayerNorm`));
}

export const firstNorm = (norm: string): (readonly [ours: string, theirs: string])[] => [
  [`${norm}.weight`, `${norm}.gamma`],
  [`${norm}.bias`, `${norm}.beta`],
];

/** Words, places and kinds of text: ids and types [B, T] -> [B, T, D] */
function embed(p: Params, ids: Tensor, types: Tensor, config: BertConfig): Tensor {
  const { width, vocab, context = 512, types: kinds = 2, epsilon = 1e-12 } = config;
  const words = embedding(p.at('word_embeddings'), ids, [vocab, width], config.padding);
  const places = embedding(p.at('position_embeddings'), range(0, ids.dim(1)), [context, width]);
  const texts = embedding(p.at('token_type_embeddings'), types, [kinds, width]);
  return layerNorm(p.at('LayerNorm'), add(add(words, texts), places), epsilon);
}

/** x [B, T, D] -> [B, T, D] */
function block(p: Params, x: Tensor, mask: Tensor, config: BertConfig): Tensor {
  const { width, heads, hidden, activation = 'gelu', epsilon = 1e-12 } = config;
  const [q, k, v] = ['query', 'key', 'value'].map((name) => linear(p.at('attention.self', name), x, width)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const seen = linear(p.at('attention.output.dense'), attend(q, k, v, { heads, mask }), width);
  const mixed = layerNorm(p.at('attention.output.LayerNorm'), add(x, seen), epsilon);
  const inner = activations[activation](linear(p.at('intermediate.dense'), mixed, hidden));
  return layerNorm(p.at('output.LayerNorm'), add(mixed, linear(p.at('output.dense'), inner, width)), epsilon);
}

/** The configuration in a `config.json` of model_type bert. */
export function readBert(config: Fields): BertConfig {
  if (config.flag('is_decoder', false)) {
    throw new QuintetError('unsupported', 'is_decoder: tokens that do not see those behind them', { at: config.at });
  }
  const positions = config.text('position_embedding_type', 'absolute');
  if (positions !== 'absolute') {
    throw new QuintetError('unsupported', `position_embedding_type "${positions}"`, { at: config.at });
  }
  const vocab = config.count('vocab_size', 30522);
  return {
    ...readHeads(config, { width: 768, heads: 12 }),
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('intermediate_size', 3072),
    vocab,
    ...readPadding(config, vocab, 0),
    context: config.count('max_position_embeddings', 512),
    types: config.count('type_vocab_size', 2),
    activation: activationOf(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-12),
  };
}
