/** What every format of files gives: records, read one by one. */

import type { Fields } from '../../tensor/index.js';

/** Stretches of records that are read as one, so that those within are better read one after another. */
export interface Blocks {
  /** The first record of each. */
  readonly starts: readonly number[];
  /** How many of them are kept in memory, the last ones used. */
  readonly held: number;
}

/** What is read one by one. */
export interface Sequence<T> {
  readonly count: number;
  /** Where one is: a file and a line, a row, or the name of a member. */
  where(index: number): string;
  read(index: number): Promise<T>;
  /** How long each is but for its pictures, in bytes of its text: enough to put like with like. */
  lengths(): Promise<readonly number[]>;
  /** The lengths of about so many at the most, spread evenly, by index; there where each must be read for it. */
  someLengths?(most: number): Promise<ReadonlyMap<number, number>>;
  close(): Promise<void>;
}

export interface Records extends Sequence<Fields> {
  /** Throws 'format', 'limit' or 'io' where the record cannot be read. Pictures within are paths or bytes. */
  read(index: number): Promise<Fields>;
  readonly blocks?: Blocks;
}
