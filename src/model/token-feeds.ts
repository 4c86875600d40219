/** What the graph of the language side is fed for new tokens behind those that a cache holds. B rows, T new tokens */
import { type HostArray, hostArray } from '../tensor/index.js';
import type { Cache } from './language-graph.js';

/** Tokens of each row with the new ones, and of the longest row of all that are read together. */
interface Ends {
  readonly totals: readonly number[];
  readonly length: number;
}

/** What a step of single tokens is fed and writes, in the same arrays each time. */
export interface Single {
  readonly feeds: Readonly<Record<string, HostArray>>;
  readonly into: Record<string, HostArray>;
}

export function fillSingle({ feeds }: Single, ids: readonly (readonly number[])[], { totals, length }: Ends): void {
  const data = (name: string) => (feeds[name] as HostArray).data;
  const [tokens, places] = [data('ids') as BigInt64Array, data('positions') as BigInt64Array];
  const [last, total] = [data('last') as Int32Array, data('total') as Int32Array];
  for (const [b, row] of ids.entries()) {
    tokens[b] = BigInt(row[0] as number);
    last[b] = (totals[b] as number) - 1;
    places[b] = BigInt(last[b] as number);
  }
  total[0] = Math.max(...totals);
  if (feeds.length) (feeds.length.data as BigInt64Array)[0] = BigInt(length);
}

/** Tokens of each row with the new ones. */
export function totalsOf({ lengths }: Cache, ids: readonly (readonly number[])[]): number[] {
  return lengths.map((length, b) => length + (ids[b] as readonly number[]).length);
}

/** Tokens, their places, and which of them are the last of their rows. */
export function tokenFeeds(
  cache: Cache,
  ids: readonly (readonly number[])[],
  tokens: number,
): Record<'ids' | 'positions' | 'at', HostArray> {
  const padded = ids.flatMap((row) => [...row, ...Array<number>(tokens - row.length).fill(0)]);
  const places = cache.lengths.flatMap((length) =>
    Array.from({ length: tokens }, (_, t) => cache.virtual + Math.min(length + t, cache.capacity - 1)),
  );
  const lasts = ids.map((row, b) => b * tokens + Math.max(0, row.length - 1));
  return {
    ids: hostArray('i64', [ids.length, tokens], padded),
    positions: hostArray('i64', [ids.length, tokens], places),
    at: hostArray('i64', [ids.length], lasts),
  };
}

/** Where each row ends, as the engine's attention takes it. */
export function ends(totals: readonly number[]): Record<'last' | 'total', HostArray> {
  const lasts = totals.map((total) => total - 1);
  return {
    last: hostArray('i32', [totals.length], lasts),
    total: hostArray('i32', [], [Math.max(...totals)]),
  };
}
