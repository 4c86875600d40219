/**
 * Parquet files as the Hugging Face hub has them: pictures as records `{bytes, path}`, texts and conversations in columns
 * (https://parquet.apache.org/docs/file-format). Rows are read a group at a time; the groups last used are kept.
 */
import { fields } from '../../tensor/index.js';
import type { DecodedRows, ParquetAnswer, ParquetInfo, ParquetLimits, ParquetTask } from '../workers/parquet-worker.js';
import { createPool } from '../workers/pool.js';
import { partOf, spread, startsOf } from './joined.js';
import type { Records } from './records.js';

/** Reads the Parquet files of a dataset, with one thread and one memory for all. */
export interface ParquetReader {
  open(path: string): Promise<Records>;
  close(): Promise<void>;
}

/** In bytes: of one group, which writers make of 128 MB by default, and of all that are kept. */
export interface ParquetMemory extends ParquetLimits {
  readonly kept: number;
}

const usualMemory: ParquetMemory = { group: 2 ** 30, kept: 2 ** 28 };
const secondsOfGroup = 120;
/** Rows of a group that are read where some lengths are asked for: its first ones, for which little of it is decoded. */
const rowsLookedAt = 100;
/** Groups that are there at the least: of one stretch of samples, and of the next. */
const fewestHeld = 2;

export function createParquetReader({ kept, ...limits }: ParquetMemory = usualMemory): ParquetReader {
  const pool = createPool<ParquetTask, ParquetAnswer>({
    ...{ worker: 'parquet-worker', size: 1, seconds: secondsOfGroup },
    data: limits,
  });
  const held = heldGroups(kept);
  return {
    async open(path) {
      const { rows, bytes } = (await pool.run({ kind: 'open', path })) as ParquetInfo;
      const { starts, count } = startsOf(rows);
      const where = (index: number) => `${path}:row ${index}`;
      // A file may have more groups than a call has arguments.
      const largest = bytes.reduce((most, size) => Math.max(most, size), 1);
      const lengthsIn = (group: number, first?: number) =>
        pool.run({ kind: 'lengths', path, group, ...(first === undefined ? {} : { first }) }) as Promise<
          readonly number[]
        >;
      const readLengths = async (): Promise<readonly number[]> => {
        const all: number[] = [];
        for (const group of rows.keys()) for (const length of await lengthsIn(group)) all.push(length);
        return all;
      };
      // All texts are read for them.
      let lengths: Promise<readonly number[]> | undefined;
      return {
        count,
        where,
        async read(index) {
          const group = partOf(starts, index);
          const read = () => pool.run({ kind: 'rows', path, group }) as Promise<DecodedRows>;
          const { rows: all } = await held.get(`${group}/${path}`, read);
          return fields(all[index - (starts[group] as number)], where(index));
        },
        lengths() {
          lengths ??= readLengths();
          return lengths;
        },
        async someLengths(most) {
          if (lengths) return new Map((await lengths).entries());
          const groups = spread(rows.length, Math.ceil(most / rowsLookedAt));
          const found = new Map<number, number>();
          for (const group of groups) {
            const own = await lengthsIn(group, Math.ceil(most / groups.length));
            for (const [i, length] of own.entries()) found.set((starts[group] as number) + i, length);
          }
          return found;
        },
        blocks: { starts, held: Math.max(fewestHeld, Math.floor(kept / largest)) },
        close: async () => {},
      };
    },
    close: pool.close,
  };
}

interface HeldGroup {
  readonly rows: Promise<DecodedRows>;
  /** 0 until they are read. */
  bytes: number;
}

/** The groups last used, of at most `kept` bytes together, but never fewer than `fewestHeld`. */
function heldGroups(kept: number) {
  const groups = new Map<string, HeldGroup>();
  const drop = (): void => {
    let total = [...groups.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [oldest, { bytes }] of groups) {
      if (total <= kept || groups.size <= fewestHeld) return;
      groups.delete(oldest);
      total -= bytes;
    }
  };
  const begin = (read: () => Promise<DecodedRows>): HeldGroup => {
    const rows = read().then((decoded) => {
      group.bytes = decoded.bytes;
      drop();
      return decoded;
    });
    const group: HeldGroup = { rows, bytes: 0 };
    return group;
  };
  return {
    get(key: string, read: () => Promise<DecodedRows>): Promise<DecodedRows> {
      const group = groups.get(key) ?? begin(read);
      // Last of all: the first one was not used for the longest time.
      groups.delete(key);
      groups.set(key, group);
      return group.rows;
    },
  };
}
