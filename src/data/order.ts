/** In which order samples are seen: a function of seed and position alone, so that a run goes on exactly where it stopped. */

import { QuintetError, Random, seedFor } from '../tensor/index.js';

/** The index of the sample at a position; positions count on from epoch to epoch. */
export type Order = (position: number) => number;

/** All samples in every epoch, shuffled anew. */
export function orderOf(count: number, seed: number): Order {
  if (!(count > 0)) throw new QuintetError('data', 'there is no sample to order');
  let epoch = -1;
  let indices: readonly number[] = [];
  return (position) => {
    const wanted = Math.floor(position / count);
    if (wanted !== epoch) {
      epoch = wanted;
      const random = new Random(seedFor(seed, 'order', epoch));
      indices = random.shuffle(Array.from({ length: count }, (_, i) => i));
    }
    return indices[position % count] as number;
  };
}
