/**
 * Virtual tokens: what learns stands before every text and is no word of it, as embeddings or as keys and values of every
 * layer. In training they are put there in the graph; a conversation's cache begins with what they give.
 *
 * B rows, T tokens, V virtual tokens, D width, G key-value heads, K head width, L layers
 */
import { add, concat, expand, full, slice, type Tensor, unsqueeze } from '../graph/index.js';
import { attend, causalMask, type Params, positionsOf } from '../nn/index.js';
import type { Context } from '../parts/types.js';
import { ignored } from '../tensor/index.js';

export interface VirtualTokens {
  readonly count: number;
  /** `words`: embeddings [V, D]. `keys`: of each layer keys, then values, behind one another [V, 2 L G K]. */
  readonly as: 'words' | 'keys';
  /** Of so many numbers a token, in the root scope. */
  tensor(p: Params, width: number): Tensor;
}

/** A text as a backbone is given it. */
export interface Text {
  /** [B, T, D] */
  readonly words: Tensor;
  /** [B, T] */
  readonly present: Tensor;
  readonly labels: Tensor | undefined;
}

/** A text behind virtual words, [B, V + T]; there is nothing to learn at their own places. */
export function behindWords(p: Params, virtual: VirtualTokens, { words, present, labels }: Text): Text {
  const { count } = virtual;
  const [rows, width] = [words.dim(0), words.size(2)];
  const before = expand(unsqueeze(virtual.tensor(p, width), 0), [rows, count, width]);
  return {
    words: concat([before, words], 1),
    present: concat([full('i64', [rows, count], 1), present], 1),
    labels: labels && concat([full('i64', [rows, count], ignored), labels], 1),
  };
}

/** Attention over all tokens at once, as in `fullContext`, behind virtual keys, which every token sees. */
export function behindKeys(
  p: Params,
  { depth, virtual }: { readonly depth: number; readonly virtual: VirtualTokens },
  present: Tensor,
  positions = positionsOf(present),
): Context {
  const { count } = virtual;
  const rows = present.dim(0);
  const all = concat([full('i64', [rows, count], 1), present], 1);
  let known: Tensor | undefined;
  return {
    positions: add(positions, count),
    attend(layer, q, k, v, { window, ...options }) {
      const width = k.size(-1);
      known ??= virtual.tensor(p, 2 * depth * width);
      const [keys, values] = keysValuesOf(known, layer, width);
      const behind = (before: Tensor, own: Tensor): Tensor =>
        concat([expand(unsqueeze(before, 0), [rows, count, width]), own], 1);
      const mask = slice(causalMask(all, window), -2, count);
      return attend(q, behind(keys, k), behind(values, v), { ...options, mask });
    },
  };
}

/** A layer's virtual keys and values [V, G K] of all layers' [V, 2 L G K]. */
export function keysValuesOf(all: Tensor, layer: number, width: number): readonly [keys: Tensor, values: Tensor] {
  const from = 2 * layer * width;
  return [slice(all, 1, from, from + width), slice(all, 1, from + width, from + 2 * width)];
}
