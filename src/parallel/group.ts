/**
 * The processes that train one model together: each has the whole model and a share of every step's samples. What they learn
 * from is the sum over all of them, so that N processes do what one does with the same samples.
 */

/** Which of several equal shares. */
export interface Share {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
}

/**
 * Processes that do the same things in the same order; each calls these functions when the others do. All of them wait
 * without blocking the event loop, and reject with code 'network' where a process has died or stays silent.
 */
export interface ProcessGroup extends Share {
  /** What each process gives, by rank. Where one has failed, its error is thrown on all. */
  gather<T>(own: T): Promise<readonly T[]>;
  /** Adds up the numbers of all processes, in place: afterwards all have the same bits. */
  sum(numbers: Float32Array): Promise<void>;
  /** Copies the bytes of rank 0 over those of the others. */
  broadcast(bytes: Uint8Array): Promise<void>;
}

/** A group of one, which has nothing to wait for. */
export const alone: ProcessGroup = {
  rank: 0,
  size: 1,
  gather: async (own) => [own],
  async sum() {},
  async broadcast() {},
};

/** How many of `count` things the largest share has. */
export const largestPart = (count: number, { size }: Pick<Share, 'size'>): number => Math.ceil(count / size);

/** Where a share of `count` things begins and how many it has; shares differ by one at most. */
export function partOf(count: number, { rank, size }: Share): { readonly from: number; readonly count: number } {
  const begin = (of: number): number => Math.floor((of * count) / size);
  return { from: begin(rank), count: begin(rank + 1) - begin(rank) };
}
