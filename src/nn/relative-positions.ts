/**
 * Relative positions as T5 has them: the distance of a key from its query falls into one of a few buckets, and each bucket
 * has a number for every head, which is added to the score.
 *
 * Raffel et al., 2020, section 2.1, https://arxiv.org/abs/1910.10683
 *
 * T queries, S keys, H heads
 */
import { add, clip, gather, type Tensor, transpose, values } from '../graph/index.js';
import { QuintetError } from '../tensor/index.js';
import { normal } from './init.js';
import type { Params } from './params.js';

export interface BucketConfig {
  readonly buckets: number;
  /** From this distance on all keys fall into one bucket. */
  readonly farthest: number;
  /** Whether keys behind their query have buckets of their own, half of all; otherwise they count as its own place. */
  readonly bothWays: boolean;
}

/** Distances beyond this would make a table that no model has. */
const farthestOfAll = 2 ** 20;

/** The bucket of every distance from -farthest to farthest; distances are positive where the key lies before its query. */
export function distanceBuckets({ buckets, farthest, bothWays }: BucketConfig): number[] {
  const count = bothWays ? Math.floor(buckets / 2) : buckets;
  const exact = Math.floor(count / 2);
  if (!(exact >= 1 && farthest > exact && farthest <= farthestOfAll)) {
    throw new QuintetError('config', `${buckets} buckets cannot hold distances up to ${farthest}`);
  }
  // Half of the buckets hold one distance each; the others widen with its logarithm, rounded to f32 as the models' own are.
  const { fround, log } = Math;
  const wide = (distance: number): number => {
    const share = fround(fround(log(fround(distance / exact))) / fround(log(farthest / exact)));
    return Math.min(count - 1, exact + Math.trunc(fround(share * (count - exact))));
  };
  const bucket = (distance: number): number => (distance < exact ? distance : wide(distance));
  return Array.from({ length: 2 * farthest + 1 }, (_, i) => {
    const distance = i - farthest;
    if (distance >= 0) return bucket(distance);
    return bothWays ? count + bucket(-distance) : 0;
  });
}

/**
 * What is added to the scores, as a function of distances: i64 [..., T, S] -> [..., H, T, S]. `weight` [buckets, H] is
 * declared at once, however often the function is used.
 */
export function relativeBias(p: Params, heads: number, config: BucketConfig): (distances: Tensor) => Tensor {
  const table = p.get('weight', [config.buckets, heads], normal(0.02));
  const { farthest } = config;
  const buckets = values('i64', [2 * farthest + 1], distanceBuckets(config));
  return (distances) => {
    const within = add(clip(distances, -farthest, farthest), farthest);
    const bias = gather(table, gather(buckets, within)); // [..., T, S, H]
    const leading = distances.shape.slice(0, -2).map((_, axis) => axis);
    const last = leading.length;
    return transpose(bias, [...leading, last + 2, last, last + 1]);
  };
}
