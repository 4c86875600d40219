/**
 * Parquet files as the Hugging Face hub has them: pictures as records `{bytes, path}`, texts and conversations in columns
 * (https://parquet.apache.org/docs/file-format). Rows are read a group at a time; the groups last used are kept.
 */
import { fields } from '../../tensor/index.js';
import type { ParquetAnswer, ParquetInfo, ParquetRows, ParquetTask } from '../workers/parquet-worker.js';
import { createPool } from '../workers/pool.js';
import type { Records } from './records.js';

/** Reads the Parquet files of a dataset, with one thread and one memory for all. */
export interface ParquetReader {
  open(path: string): Promise<Records>;
  close(): Promise<void>;
}

const memory = 2 ** 28;
const secondsOfGroup = 120;
/** Groups that are there at the least: of one stretch of samples, and of the next. */
const fewestHeld = 2;

export function createParquetReader(): ParquetReader {
  const pool = createPool<ParquetTask, ParquetAnswer>({ worker: 'parquet-worker', size: 1, seconds: secondsOfGroup });
  const held = heldGroups();
  return {
    async open(path) {
      const { rows, bytes } = (await pool.run({ kind: 'open', path })) as ParquetInfo;
      let count = 0;
      const starts = rows.map((rows) => {
        count += rows;
        return count - rows;
      });
      const where = (index: number) => `${path}:row ${index}`;
      const largest = Math.max(1, ...bytes);
      return {
        count,
        where,
        async read(index) {
          const group = groupOf(starts, index);
          const read = () => pool.run({ kind: 'rows', path, group }) as Promise<ParquetRows>;
          const all = await held.get(`${group}/${path}`, bytes[group] as number, read);
          return fields(all[index - (starts[group] as number)], where(index));
        },
        async lengths() {
          const all: number[] = [];
          for (const group of rows.keys()) {
            for (const length of (await pool.run({ kind: 'lengths', path, group })) as readonly number[]) {
              all.push(length);
            }
          }
          return all;
        },
        blocks: { starts, held: Math.max(fewestHeld, Math.floor(memory / largest)) },
        close: async () => {},
      };
    },
    close: pool.close,
  };
}

/** The last group that begins at or before a row and is not empty. */
function groupOf(starts: readonly number[], row: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] as number) <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The groups last used, of as many bytes together as `memory`, but never fewer than `fewestHeld`. */
function heldGroups() {
  const groups = new Map<string, { readonly bytes: number; readonly rows: Promise<ParquetRows> }>();
  let total = 0;
  return {
    get(key: string, bytes: number, read: () => Promise<ParquetRows>): Promise<ParquetRows> {
      const known = groups.get(key) ?? { bytes, rows: read() };
      // A failure counts when somebody asks for a row.
      known.rows.catch(() => {});
      if (!groups.delete(key)) total += bytes;
      groups.set(key, known);
      for (const [oldest, group] of groups) {
        if (total <= memory || groups.size <= fewestHeld) break;
        groups.delete(oldest);
        total -= group.bytes;
      }
      return known.rows;
    },
  };
}
