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
      if (byLength) indices = grouped(indices, epoch * count, byLength, random);
    }
    return indices[position % count] as number;
  };
}

/**
 * Windows of the shuffled samples, each sorted by length, cut into batches and these shuffled. `start` is the position of the
 * first: batches begin at multiples of their size, and what lies before the first and after the last is left as it was.
 */
function grouped(
  indices: readonly number[],
  start: number,
  { lengths, batch, window = 50 }: LengthGrouping,
  random: Random,
): number[] {
  const first = (batch - (start % batch)) % batch;
  const last = indices.length - ((start + indices.length) % batch);
  const result = indices.slice(0, first);
  for (let from = first; from < last; from += batch * window) {
    const sorted = indices
      .slice(from, Math.min(last, from + batch * window))
      .sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
    const batches = Array.from({ length: sorted.length / batch }, (_, i) => sorted.slice(i * batch, (i + 1) * batch));
    for (const indices of random.shuffle(batches)) result.push(...indices);
  }
  return [...result, ...indices.slice(Math.max(first, last))];
}
