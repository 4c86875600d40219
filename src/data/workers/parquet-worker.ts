/**
 * A thread that reads Parquet files. What a hostile file takes, in memory or time, it takes from this thread only.
 *
 * Sizes that a file gives are checked before they are believed; the rest is left to hyparquet.
 */
import type { FileHandle } from 'node:fs/promises';
import { workerData } from 'node:worker_threads';
import { type Compressors, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { QuintetError } from '../../tensor/index.js';
import { openFor, readBytes } from '../formats/file.js';
import { pictureFields } from '../pictures.js';
import { serve } from './serve.js';

/** What a file holds, or the rows of one of its groups, or how long their texts are: of all, or of the `first` so many. */
export type ParquetTask =
  | { readonly kind: 'open'; readonly path: string }
  | { readonly kind: 'rows' | 'lengths'; readonly path: string; readonly group: number; readonly first?: number };

export type ParquetRows = readonly Readonly<Record<string, unknown>>[];

/** Bytes that a group of rows may become. */
export interface ParquetLimits {
  readonly group: number;
}

/** The rows of a group, and how many bytes they take: what the file says of that is not believed. */
export interface DecodedRows {
  readonly rows: ParquetRows;
  readonly bytes: number;
}

/** Of each group of rows how many it has, and how many bytes they take as the file says. */
export interface ParquetInfo {
  readonly rows: readonly number[];
  readonly bytes: readonly number[];
}

export type ParquetAnswer = ParquetInfo | DecodedRows | readonly number[];

const largestFooter = 2 ** 26;
const { group: largestGroup } = workerData as ParquetLimits;
/** Pages hold at most a few large pictures. */
const largestPage = 2 ** 29;
/** Pictures do not shrink; texts that repeat themselves do, a thousandfold at most. */
const largestRatio = 2048;
const smallPage = 2 ** 20;
const mostRows = 2 ** 24;

interface OpenFile {
  readonly file: FileHandle;
  readonly size: number;
  readonly path: string;
  readonly metadata: FileMetaData;
}

const files = new Map<string, Promise<OpenFile>>();

serve<ParquetTask, ParquetAnswer>(async (task) => {
  try {
    const file = await opened(task.path);
    if (task.kind === 'open') return { value: infoOf(file.metadata, task.path), transfer: [] };
    const rows = await rowsOf(file, task);
    if (task.kind === 'lengths') return { value: rows.map(lengthOf), transfer: [] };
    const buffers = [...buffersOf(rows)];
    const texts = rows.reduce<number>((sum, row) => sum + lengthOf(row), 0);
    const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, texts);
    return { value: { rows, bytes }, transfer: buffers };
  } catch (cause) {
    if (cause instanceof QuintetError) throw cause;
    const { message } = cause as Error;
    throw new QuintetError('format', `not Parquet that can be read: ${message}`, { at: task.path, cause });
  }
});

function opened(path: string): Promise<OpenFile> {
  const known = files.get(path) ?? openFor(path, (file) => described(file, path));
  files.set(path, known);
  return known;
}

async function described(file: FileHandle, path: string): Promise<OpenFile> {
  const { size } = await file.stat();
  const buffer = bufferOf({ file, size, path });
  const tail = new DataView(await buffer.slice(Math.max(0, size - 8), size));
  if (size < 12 || tail.getUint32(4, true) !== 0x31524150 /* PAR1 */) {
    const hint = 'Download or copy it again';
    throw new QuintetError('format', 'the file does not end as Parquet does', { at: path, hint });
  }
  const footer = tail.getUint32(0, true);
  if (footer > largestFooter || footer > size) {
    throw new QuintetError('limit', `a footer of ${footer} bytes`, { at: path });
  }
  return { file, size, path, metadata: await parquetMetadataAsync(buffer, { geoparquet: false }) };
}

/** Counts bytes before memory is reserved for them. */
type Budget = (bytes: number) => void;

/** What one task may take, whatever the file says of itself: a footer may name the same pages again and again. */
function budgetOf(at: string): Budget {
  let left = largestGroup;
  return (bytes) => {
    left -= bytes;
    if (left >= 0) return;
    throw new QuintetError('limit', `a group of rows that becomes more than ${largestGroup} bytes`, {
      at,
      hint: 'Write the file again with smaller groups of rows',
    });
  };
}

/** The bytes of a file, as much of it as one task may take. */
function bufferOf({ file, size, path }: Omit<OpenFile, 'metadata'>) {
  const budget = budgetOf(path);
  return {
    byteLength: size,
    async slice(start: number, end = size): Promise<ArrayBuffer> {
      const stop = Math.min(end, size);
      if (!(start >= 0 && stop >= start)) throw new Error(`a stretch from ${start} to ${end}`);
      budget(stop - start);
      const { buffer } = await readBytes(file, start, stop, path);
      return buffer as ArrayBuffer;
    },
  };
}

function infoOf({ row_groups: groups }: FileMetaData, at: string): ParquetInfo {
  const rows = groups.map((group) => Number(group.num_rows));
  const bytes = groups.map((group) => Number(group.total_byte_size));
  const odd = [...rows, ...bytes].some((count) => !(Number.isSafeInteger(count) && count >= 0));
  if (odd) throw new QuintetError('format', 'groups of rows without a size', { at });
  for (const [i, count] of rows.entries()) {
    if (count > mostRows || (bytes[i] as number) > largestGroup) {
      throw new QuintetError('limit', `a group of ${count} rows and ${bytes[i]} bytes`, {
        at,
        hint: `At most ${largestGroup} bytes are read at once: write the file again with smaller groups of rows`,
      });
    }
  }
  return { rows, bytes };
}

async function rowsOf(
  { metadata, ...file }: OpenFile,
  { path, group, kind, first = mostRows }: Extract<ParquetTask, { readonly group: number }>,
): Promise<ParquetRows> {
  const { rows } = infoOf(metadata, path);
  const rowStart = rows.slice(0, group).reduce((sum, count) => sum + count, 0);
  const rowEnd = rowStart + Math.min(first, rows[group] as number);
  const texts = kind === 'lengths' ? topColumns(metadata).filter((name) => !isPicture(name)) : undefined;
  if (texts?.length === 0) return Array.from({ length: rowEnd - rowStart }, () => ({}));
  return parquetReadObjects({
    file: bufferOf(file),
    metadata,
    rowStart,
    rowEnd,
    compressors: guarded(path, budgetOf(path)),
    utf8: false, // pictures are bytes; texts say that they are texts
    geoparquet: false,
    ...(texts ? { columns: texts } : {}),
  });
}

const isPicture = (name: string) => pictureFields.some((field) => field === name);

function topColumns({ row_groups: groups }: FileMetaData): string[] {
  const names = groups.flatMap(({ columns }) => columns.flatMap(({ meta_data }) => meta_data?.path_in_schema[0] ?? []));
  return [...new Set(names)];
}

/** Decompressors that reserve no more memory than a page may take, nor all pages together. */
function guarded(at: string, budget: Budget): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, length: number) => {
        if (!(length >= 0 && length <= largestPage) || length > Math.max(smallPage, input.length * largestRatio)) {
          throw new QuintetError('limit', `a page of ${input.length} bytes that says it becomes ${length}`, { at });
        }
        budget(length);
        return decompress(input, length);
      },
    ]),
  );
}

/** How many characters the texts within a value have. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 0;
  return Object.values(value).reduce<number>((sum, inner) => sum + lengthOf(inner), 0);
}

function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) buffersOf(inner, found);
  return found;
}
