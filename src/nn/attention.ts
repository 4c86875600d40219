/**
 * Scaled dot-product attention (Vaswani et al., 2017), with grouped heads (Ainslie et al., 2023), and its masks.
 *
 * B batch, T queries, S keys, H heads, G key-value heads, K head width
 */
import {
  add,
  and,
  attentionWeights,
  concat,
  constant,
  cumSum,
  div,
  equal,
  flatten,
  greaterOrEqual,
  groupRows,
  less,
  matmul,
  maximum,
  mul,
  not,
  range,
  reshape,
  slice,
  softmax,
  sub,
  type Tensor,
  tanh,
  transpose,
  unsqueeze,
  where,
} from '../graph/index.js';
import { QuintetError, scalar } from '../tensor/index.js';

export interface AttentionOptions {
  readonly heads: number;
  /** Default: as many as heads. */
  readonly kvHeads?: number;
  /** Added to the scores: broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor | null;
  /** Default: 1 / sqrt(K). */
  readonly scale?: number;
  /** What scores level off at, before the mask; default nothing. */
  readonly softcap?: number;
}

/** What is added to the score of a pair that may not attend. Finite, so that a row without any pair stays a number. */
const blocked = -1e9;

/** q [B, T, H*K], k and v [B, S, G*K] -> [B, T, H*K] */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, kvHeads = heads } = options;
  return attendHeads(splitHeads(q, heads), splitHeads(k, kvHeads), splitHeads(v, kvHeads), options);
}

/** More scores a head than this are computed in parts: they would not stay in a processor's caches. */
const mostScores = 2 ** 21;
const queriesAtOnce = 512;

/** The same of split heads: q [B, H, T, K], k and v [B, G, S, K] -> [B, T, H*K] */
export function attendHeads(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { mask = null, scale = q.size(-1) ** -0.5, softcap }: Omit<AttentionOptions, 'heads' | 'kvHeads'> = {},
): Tensor {
  const [count, seen] = [q.dim(2), k.dim(2)];
  const some = (queries: Tensor, hidden: Tensor | null): Tensor => {
    const scaled = mul(queries, scale);
    const weights =
      softcap === undefined ? attentionWeights(scaled, k, hidden) : cappedWeights(scaled, k, hidden, softcap);
    return flatten(transpose(groupedProduct(weights, v), [0, 2, 1, 3]), 2, 3);
  };
  if (typeof count !== 'number' || typeof seen !== 'number' || count * seen <= mostScores) return some(q, mask);
  const parts = Array.from({ length: Math.ceil(count / queriesAtOnce) }, (_, i) => {
    const [from, to] = [i * queriesAtOnce, Math.min((i + 1) * queriesAtOnce, count)];
    const hidden = mask && mask.rank > 1 && mask.dim(-2) !== 1 ? slice(mask, -2, from, to) : mask;
    return some(slice(q, 2, from, to), hidden);
  });
  return concat(parts, 1);
}

/** [B, H, T, S] */
function cappedWeights(q: Tensor, k: Tensor, mask: Tensor | null, cap: number): Tensor {
  const scores = capped(groupedProduct(q, transpose(k)), cap);
  return softmax(mask ? add(scores, mask) : scores);
}

/** Numbers that level off towards the cap and its negative: Bello et al., 2016, https://arxiv.org/abs/1611.09940 */
export function capped(x: Tensor, cap?: number): Tensor {
  return cap === undefined ? x : mul(tanh(div(x, cap)), cap);
}

/** [B, T, H*K] -> [B, H, T, K] */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const width = x.size(-1);
  if (width % heads !== 0) throw new QuintetError('shape', `a width of ${width} does not divide into ${heads} heads`);
  return transpose(reshape(x, [x.dim(0), x.dim(1), heads, width / heads]), [0, 2, 1, 3]);
}

/**
 * x [B, H, T, M] times what each group of heads shares, y [B, G, M, N] -> [B, H, T, N]. The heads of a group are rows of one
 * product, so that nothing is repeated.
 */
function groupedProduct(x: Tensor, y: Tensor): Tensor {
  return reshape(matmul(groupRows(x, y.size(1)), y), [...x.shape.slice(0, -1), y.dim(3)]);
}

const open = constant(scalar('f32', 0));

/** Nothing for the keys of real tokens and a large negative number for those of padding: present [B, S] -> [B, 1, 1, S] */
export function paddingMask(present: Tensor): Tensor {
  return where(equal(unsqueeze(unsqueeze(present, 1), 1), 0), blocked, open);
}

/**
 * Nothing later than the query is seen, nor what is not among the last `window` tokens, nor another sample of the row:
 * `present` [B, T] is 0 for padding, 1 for tokens, and where a row holds several samples the number of each -> [B, 1, T, T]
 */
export function causalMask(present: Tensor, window?: number): Tensor {
  const places = range(0, present.dim(1));
  const seen = earlier(unsqueeze(places, 1), unsqueeze(places, 0), window); // [T, T]
  const [queries, keys] = [unsqueeze(unsqueeze(present, 1), 3), unsqueeze(unsqueeze(present, 1), 1)];
  // What padding sees is of no use, but is what reference implementations give for it: all real tokens before it.
  const same = equal(where(equal(queries, 0), keys, queries), keys); // [B, 1, T, T]
  return where(and(seen, and(same, not(equal(keys, 0)))), open, blocked);
}

/** Whether keys at some places are seen from some others: not from before them, and within a window that ends with the query. */
export function earlier(queries: Tensor, keys: Tensor, window?: number): Tensor {
  const seen = greaterOrEqual(queries, keys);
  return window === undefined ? seen : and(seen, less(sub(queries, keys), window));
}

/** The place of each token among the real ones of its row, from 0: present [B, T] of i64 -> [B, T]. Padding before is 0. */
export function positionsOf(present: Tensor): Tensor {
  return maximum(sub(cumSum(present, 1), 1), 0);
}
