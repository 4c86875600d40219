/** Several files or datasets as one, one after another. */

import { closeAll } from '../../tensor/index.js';
import type { Sequence } from './records.js';

/** Where each of some parts begins, and how much they hold in all. */
export function startsOf(counts: readonly number[]): { readonly starts: readonly number[]; readonly count: number } {
  let count = 0;
  const starts = counts.map((own) => {
    count += own;
    return count - own;
  });
  return { starts, count };
}

/** The part that a place is in: the last that begins at or before it, and so is not empty. */
export function partOf(starts: readonly number[], place: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] as number) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** So many of some places, spread evenly. */
export function spread(places: number, most: number): number[] {
  const count = Math.min(places, most);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * places) / count));
}

/**
 * Lengths by index among all: all that are known, and where each must be read some of every part, or of `most` parts where
 * there are more, spread evenly. Of large parts more are read, in all about `most` and at most twice as many.
 */
async function someLengths<T>(parts: readonly Sequence<T>[], starts: readonly number[], most: number) {
  const costly = parts.filter((part) => part.someLengths);
  const { count } = startsOf(costly.map((part) => part.count));
  const read = new Set(spread(costly.length, most).map((place) => costly[place]));
  const found = new Map<number, number>();
  for (const [part, own] of parts.entries()) {
    if (own.someLengths && !read.has(own)) continue;
    const lengths = (await own.someLengths?.(Math.ceil((most * own.count) / count))) ?? (await own.lengths());
    for (const [index, length] of lengths.entries()) found.set((starts[part] as number) + index, length);
  }
  return found;
}

/** The parts one after another, and where each begins. */
export function joined<T>(parts: readonly Sequence<T>[]): Sequence<T> & { readonly starts: readonly number[] } {
  const { starts, count } = startsOf(parts.map((part) => part.count));
  const at = (index: number): [Sequence<T>, number] => {
    const part = partOf(starts, index);
    return [parts[part] as Sequence<T>, index - (starts[part] as number)];
  };
  return {
    count,
    starts,
    where(index) {
      const [part, inner] = at(index);
      return part.where(inner);
    },
    read(index) {
      const [part, inner] = at(index);
      return part.read(inner);
    },
    async lengths() {
      const all: number[] = [];
      for (const part of parts) for (const length of await part.lengths()) all.push(length);
      return all;
    },
    ...(parts.some((part) => part.someLengths) && { someLengths: (most) => someLengths(parts, starts, most) }),
    close: () => closeAll(...parts),
  };
}
