/**
 * A Q-Former that reads too: queries see pictures, words are read by the same blocks, apart from each other or together.
 *
 * Li et al., "BLIP-2", 2023, section 3.2, https://arxiv.org/abs/2301.12597
 *
 * B batch, N image features, E their width, Q queries, T words, D width, V vocabulary
 */
import {
  add,
  and,
  concat,
  equal,
  full,
  greaterOrEqual,
  less,
  or,
  range,
  slice,
  type Tensor,
  unsqueeze,
  where,
} from '../../graph/index.js';
import { activations, embedding, layerNorm, linear, type Params, readPadding, zeroed } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import { former, learnedQueries, type QFormerConfig, readQFormer } from './q-former.js';

export interface ReaderConfig extends QFormerConfig {
  readonly vocab: number;
  /** The word that texts are padded with: its embedding learns nothing; default none. */
  readonly padding?: number;
  /** Words that it has places for; default 512. */
  readonly context?: number;
}

/** Texts as ids [B, T], of which `present` [B, T] are real. */
export interface Text {
  readonly ids: Tensor;
  readonly present: Tensor;
}

export interface QueryReader {
  /** The longest text that positions are known for, in tokens. */
  readonly context: number;
  readonly width: number;
  readonly queries: number;
  /** Declares everything, in a scope whose `shared` the others are given. */
  declare(p: Params, features: Tensor, text: Text): void;
  /** What queries see of features [B, N, E]: [B, Q, D] */
  see(p: Params, features: Tensor): Tensor;
  /** Words alone: [B, T, D] */
  read(p: Params, text: Text): Tensor;
  /** What queries make of a picture and a text that look at each other: [B, Q, D] */
  match(p: Params, features: Tensor, text: Text): Tensor;
  /** Words that look at the queries and at the words before them: [B, T, D] */
  tell(p: Params, features: Tensor, text: Text): Tensor;
  /** Scores of the next word [B, T, V] of such words; its parameters are not in published checkpoints. */
  score(p: Params, words: Tensor): Tensor;
}

export function queryReader(config: ReaderConfig): QueryReader {
  const { queries, width, vocab, context = 512, activation = 'gelu', epsilon = 1e-12 } = config;
  const words = (p: Params, ids: Tensor): Tensor => {
    const at = p.at('embeddings');
    const places = embedding(at.at('position_embeddings'), range(0, ids.dim(1)), [context, width]);
    return add(embedding(at.at('word_embeddings'), ids, [vocab, width], config.padding), places);
  };
  /** Queries and words together: [B, Q+T, D] */
  const together = (p: Params, features: Tensor, { ids }: Text, mask: Tensor): Tensor => {
    const all = concat([learnedQueries(p, ids.dim(0), config), words(p, ids)], 1);
    return former(p.at('qformer'), all, { queries, memory: features, mask }, config);
  };
  const match = (p: Params, features: Tensor, text: Text): Tensor =>
    slice(together(p, features, text, meeting(queries, text)), 1, 0, queries);
  return {
    ...{ context, width, queries },
    declare: (p, features, text) => void match(p, features, text),
    see: (p, features) => {
      const learned = learnedQueries(p, features.dim(0), config);
      return former(p.at('qformer'), learned, { queries, memory: features }, config);
    },
    read: (p, { ids, present }) =>
      former(
        p.at('qformer'),
        words(p, ids),
        { queries: 0, mask: masking(unsqueeze(unsqueeze(equal(present, 1), 1), 1)) },
        config,
      ),
    match,
    tell: (p, features, text) => slice(together(p, features, text, telling(queries, text)), 1, queries),
    score(p, states) {
      const at = p.at('qformer.cls.predictions');
      const inner = activations[activation](linear(at.at('transform.dense'), states, width));
      const scores = p.shared
        .at('embeddings.word_embeddings')
        .product('weight', layerNorm(at.at('transform.LayerNorm'), inner, epsilon), vocab);
      return add(scores, at.get('bias', [vocab], zeroed));
    },
  };
}

/** What is added to scores of attention: nothing where one may look, and all but nothing is left elsewhere. */
const masking = (seen: Tensor): Tensor => where(seen, 0, full('f32', [], -1e9));

/** Who is really there of queries and words: [B, 1, 1, Q+T] */
function company(queries: number, { present }: Text): Tensor {
  const all = concat([full('i64', [present.dim(0), queries], 1), present], 1);
  return unsqueeze(unsqueeze(equal(all, 1), 1), 1);
}

/** Everybody looks at everybody who is there. */
const meeting = (queries: number, text: Text): Tensor => masking(company(queries, text));

/** Queries look at queries, and words at queries and at what was said before: [B, 1, Q+T, Q+T] */
function telling(queries: number, text: Text): Tensor {
  const places = range(0, concat([full('i64', [text.present.dim(0), queries], 1), text.present], 1).dim(1));
  const [from, to] = [unsqueeze(places, 1), unsqueeze(places, 0)];
  return masking(and(or(less(to, queries), greaterOrEqual(from, to)), company(queries, text)));
}

/** The configuration in a `config.json` of model_type blip_2_qformer whose words count. */
export function readQueryReader(config: Fields, queries: number): ReaderConfig {
  const vocab = config.count('vocab_size', 30522);
  return {
    ...readQFormer(config, queries),
    vocab,
    ...readPadding(config, vocab, 0),
    context: config.count('max_position_embeddings', 512),
  };
}
