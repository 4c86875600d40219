/**
 * Where the records of a text file begin and end. Only that is kept in memory, so that a file may be larger than it; a record
 * is read when it is wanted.
 */
import type { FileHandle } from 'node:fs/promises';
import { QuintetError } from '../../tensor/index.js';
import { readBytes, textOf } from './file.js';

/** Far above any conversation; a hostile file could otherwise be one single record. */
export const largestRecord = 2 ** 24;

const chunkBytes = 2 ** 20;

/** In bytes, and on which line they begin. */
export interface Extents {
  readonly starts: number[];
  readonly ends: number[];
  readonly lines: number[];
}

/** Finds records in the bytes of a file as they come. */
export interface Scanner {
  take(bytes: Uint8Array, offset: number, extents: Extents): void;
  end(size: number, extents: Extents): void;
}

/** Reads a file once. `begin` chooses a scanner by what the file begins with. */
export async function scanFile(file: FileHandle, begin: (first: Uint8Array) => Scanner): Promise<Extents> {
  const extents: Extents = { starts: [], ends: [], lines: [] };
  const chunk = new Uint8Array(chunkBytes);
  let scanner: Scanner | undefined;
  let at = 0;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, at);
    if (bytesRead === 0) break;
    const bytes = chunk.subarray(0, bytesRead);
    // Editors on Windows put a byte order mark first.
    const mark = at === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    scanner ??= begin(bytes.subarray(mark));
    scanner.take(bytes.subarray(mark), at + mark, extents);
    at += bytesRead;
  }
  scanner?.end(at, extents);
  return extents;
}

/** The text of a record. */
export async function readText(
  file: FileHandle,
  { start, end }: { readonly start: number; readonly end: number },
  at: string,
): Promise<string> {
  if (end - start > largestRecord) {
    throw new QuintetError('limit', `a record of ${end - start} bytes; at most ${largestRecord} are read`, { at });
  }
  return textOf(await readBytes(file, start, end, at), at);
}
