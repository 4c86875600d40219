/**
 * Texts as vectors, alike for what means the same.
 *
 * Reimers and Gurevych, "Sentence-BERT", 2019, https://arxiv.org/abs/1908.10084
 *
 * B texts, T tokens, D width
 */
import {
  cast,
  div,
  full,
  matmul,
  maximum,
  mul,
  select,
  sqrt,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
} from '../graph/index.js';
import type { Glob } from '../nn/index.js';
import type { Tower } from '../parts/types.js';
import { buffersOf } from './dual-encoder.js';
import type { Network, Renames } from './network.js';
import type { Slot } from './system.js';

/** States [B, T, D], of which `present` [B, T] are real, -> one vector a text [B, D]. */
export type Pooling = (states: Tensor, present: Tensor) => Tensor;

export const poolings = {
  /** The mean of the real tokens. */
  mean(states, present) {
    const real = unsqueeze(cast(present, 'f32'), 2);
    return div(sum(mul(states, real), [1]), maximum(sum(real, [1]), 1e-9));
  },
  /** The first token. */
  cls: (states) => select(states, 1, 0),
} as const satisfies Readonly<Record<string, Pooling>>;

export type PoolingName = keyof typeof poolings;

export interface SentenceEncoderOptions {
  readonly name: string;
  readonly paper?: string;
  readonly pooling: Pooling;
  readonly renames?: readonly Renames[];
  readonly buffers?: readonly Glob[];
}

/**
 * Outputs: `last_hidden` and `hidden_states/<i>`, the tower's own pooling head as `pooler_output`, the `pooled` vectors, the
 * same of length 1 as `embeddings`, and their cosines, `similarities` [B, B].
 */
export function sentenceEncoder(
  tower: Slot<Tower>,
  { name, paper, pooling, renames = [], buffers = [] }: SentenceEncoderOptions,
): Network {
  return {
    name,
    ...(paper === undefined ? {} : { paper }),
    context: tower.part.context,
    inputs: tower.part.inputs,
    buffers: [...buffersOf(tower), ...buffers],
    renames,
    forward(p, given) {
      const { states, last, pooled: head } = tower.part.forward(p.at(tower.prefix), given);
      const ids = given.input_ids as Tensor;
      const pooled = pooling(last, given.attention_mask ?? full('i64', ids.shape, 1));
      const embeddings = div(pooled, sqrt(sum(mul(pooled, pooled), [-1], { keep: true })));
      const similarities = matmul(embeddings, transpose(embeddings));
      const all = states.map((state, i) => [`hidden_states/${i}`, state] as const);
      return {
        ...{ last_hidden: last, pooled, embeddings, similarities },
        ...(head ? { pooler_output: head } : {}),
        ...Object.fromEntries(all),
      };
    },
  };
}
