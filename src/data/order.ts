/** In which order samples are seen: a function of seed and position alone, so that a run goes on exactly where it stopped. */

import { QuintetError, Random, seedFor } from '../tensor/index.js';
import type { Extent, Part } from './dataset.js';
import type { Blocks } from './formats/records.js';

/** The index of the sample at a position; positions count on from epoch to epoch. */
export type Order = (position: number) => number;

/** The indices of an epoch in the order in which they are seen. */
type Epoch = (epoch: number) => readonly number[];

export interface OrderOptions {
  readonly seed: number;
  /** Puts samples of like length into one batch: how long each is, and how many make a batch. */
  readonly grouping?: { readonly lengths: readonly number[]; readonly batch: number };
}

/** All samples in every epoch, shuffled anew. */
export function orderOf(count: number, seed: number): Order {
  return datasetOrder({ count }, { seed });
}

/**
 * All samples in every epoch, shuffled anew. Of a mixture, as many samples as there are in all, from each part by its weight,
 * which goes through its own samples in its own order. Stretches that are read as one are shuffled, and samples among as many
 * stretches as are kept in memory together.
 */
export function datasetOrder(
  { count, blocks, parts }: Extent & { readonly parts?: readonly Part[] },
  { seed, grouping }: OrderOptions,
): Order {
  if (!(count > 0)) throw new QuintetError('data', 'there is no sample to order');
  const plain = parts ? mixedEpochs(parts, seed) : shuffledEpochs({ count, ...(blocks ? { blocks } : {}) }, seed);
  return inEpochs(count, grouping ? groupedEpochs(plain, seed, grouping) : plain);
}

/** Keeps the epoch that positions are asked of, and the one before: what is made ahead reaches into the next. */
function inEpochs(count: number, indicesOf: Epoch): Order {
  const kept = new Map<number, readonly number[]>();
  return (position) => {
    const epoch = Math.floor(position / count);
    const indices = kept.get(epoch) ?? indicesOf(epoch);
    if (!kept.has(epoch)) {
      for (const other of kept.keys()) if (kept.size > 1) kept.delete(other);
      kept.set(epoch, indices);
    }
    return indices[position % count] as number;
  };
}

function shuffledEpochs({ count, blocks }: Extent, seed: number): Epoch {
  return (epoch) => {
    const random = new Random(seedFor(seed, 'order', epoch));
    return blocks ? shuffleBlocks(count, blocks, random) : random.shuffle(Array.from({ length: count }, (_, i) => i));
  };
}

function shuffleBlocks(count: number, { starts, held }: Blocks, random: Random): number[] {
  const stretches = random.shuffle(starts.map((start, i) => [start, starts[i + 1] ?? count] as const));
  // What is made ahead already reaches into the next ones: half of what is kept is in use at once.
  const together = Math.max(1, Math.floor(held / 2));
  const indices: number[] = [];
  for (let first = 0; first < stretches.length; first += together) {
    const some: number[] = [];
    for (const [start, end] of stretches.slice(first, first + together)) {
      for (let index = start; index < end; index++) some.push(index);
    }
    for (const index of random.shuffle(some)) indices.push(index);
  }
  return indices;
}

/** An epoch has from each part the same number of samples every time, in places that are shuffled anew. */
function mixedEpochs(parts: readonly Part[], seed: number): Epoch {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const quotas = shares(
    count,
    parts.map(({ weight }) => weight),
  );
  let start = 0;
  const sources = parts.map((part, i) => {
    start += part.count;
    const order = inEpochs(part.count, shuffledEpochs(part, seedFor(seed, 'part', i)));
    return { order, start: start - part.count, quota: quotas[i] as number };
  });
  return (epoch) => {
    const random = new Random(seedFor(seed, 'mixture', epoch));
    const drawn = random.shuffle(sources.flatMap((source) => new Array<typeof source>(source.quota).fill(source)));
    const next = new Map(sources.map((source) => [source, epoch * source.quota]));
    return drawn.map((source) => {
      const position = next.get(source) as number;
      next.set(source, position + 1);
      return source.start + source.order(position);
    });
  };
}

/** `count` by weights, in whole numbers: the largest remainders are rounded up. */
function shares(count: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (count * weight) / sum);
  const result = exact.map(Math.floor);
  const byRemainder = [...exact.keys()].sort(
    (a, b) => ((exact[b] as number) % 1) - ((exact[a] as number) % 1) || a - b,
  );
  const missing = count - result.reduce((sum, share) => sum + share, 0);
  for (const part of byRemainder.slice(0, missing)) result[part] = (result[part] as number) + 1;
  return result;
}

/** Among this many batches samples of like length are put together: few enough that batches stay random. */
const batchesSorted = 50;

/**
 * As transformers' LengthGroupedSampler does it, with the batches of a stretch shuffled afterwards, so that long and short
 * ones take turns. Batches are cut where the steps of a run cut them, also where an epoch is no multiple of a batch.
 */
function groupedEpochs(epochs: Epoch, seed: number, { lengths, batch }: NonNullable<OrderOptions['grouping']>): Epoch {
  return (epoch) => {
    const random = new Random(seedFor(seed, 'grouping', epoch));
    const indices = epochs(epoch);
    const stretch = batch * batchesSorted;
    const head = (batch - ((epoch * indices.length) % batch)) % batch;
    const result = indices.slice(0, head);
    for (let from = head; from < indices.length; from += stretch) {
      const sorted = indices
        .slice(from, from + stretch)
        .sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
      const whole = Math.floor(sorted.length / batch);
      const batches = Array.from({ length: whole }, (_, i) => sorted.slice(i * batch, (i + 1) * batch));
      for (const index of [...random.shuffle(batches).flat(), ...sorted.slice(whole * batch)]) result.push(index);
    }
    return result;
  };
}
