/** In which order samples are seen: a function of seed and position alone, so that a run goes on exactly where it stopped. */

import { QuintetError, Random, seedFor } from '../tensor/index.js';

/** The index of the sample at a position; positions count on from epoch to epoch. */
export type Order = (position: number) => number;

export interface OrderOptions {
  readonly seed: number;
  /** Shuffled anew in every epoch; default true. */
  readonly shuffle?: boolean;
  /** Puts samples of similar length together, so that batches need less padding. */
  readonly byLength?: LengthGrouping;
}

export interface LengthGrouping {
  /** The length of each sample, in any unit. */
  readonly lengths: ArrayLike<number>;
  /** Samples a batch. */
  readonly batch: number;
  /** Batches that are sorted together: more of them need less padding and are less random; default 50. */
  readonly window?: number;
}

export function orderOf(count: number, { seed, shuffle = true, byLength }: OrderOptions): Order {
  if (!(count > 0)) throw new QuintetError('data', 'there is no sample to order');
  if (!shuffle) return (position) => position % count;
  let epoch = -1;
  let indices: readonly number[] = [];
  return (position) => {
    const wanted = Math.floor(position / count);
    if (wanted !== epoch) {
      epoch = wanted;
      const random = new Random(seedFor(seed, 'order', epoch));
      indices = random.shuffle(Array.from({ length: count }, (_, i) => i));
      if (byLength) indices = grouped(indices, byLength, random);
    }
    return indices[position % count] as number;
  };
}

/**
 * Windows of the shuffled samples, each sorted by length, cut into batches and these shuffled. The samples left over at the
 * end of an epoch stay last, so that batches begin at multiples of their size.
 */
function grouped(
  indices: readonly number[],
  { lengths, batch, window = 50 }: LengthGrouping,
  random: Random,
): number[] {
  const whole = indices.length - (indices.length % batch);
  const result: number[] = [];
  for (let start = 0; start < whole; start += batch * window) {
    const sorted = indices
      .slice(start, Math.min(whole, start + batch * window))
      .sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
    const batches = Array.from({ length: sorted.length / batch }, (_, i) => sorted.slice(i * batch, (i + 1) * batch));
    result.push(...random.shuffle(batches).flat());
  }
  return [...result, ...indices.slice(whole)];
}
