/** What every format of files gives: records, read one by one. */

import type { Fields } from '../../tensor/index.js';

/** Stretches of records that are read as one, so that those within are better read one after another. */
export interface Blocks {
  /** The first record of each. */
  readonly starts: readonly number[];
  /** How many of them are kept in memory, the last ones used. */
  readonly held: number;
}

export interface Records {
  readonly count: number;
  /** Where a record is, as errors say it: a file and a line, a row, or the name of a member. */
  where(index: number): string;
  /** Throws 'format', 'limit' or 'io' where the record cannot be read. Pictures within are paths or bytes. */
  read(index: number): Promise<Fields>;
  /** How long each record is but for its pictures, in bytes of its text: enough to put like with like. */
  lengths(): Promise<readonly number[]>;
  readonly blocks?: Blocks;
  close(): Promise<void>;
}
