/**
 * The records of a file of examples, read one by one: the lines of JSONL, or the objects of one JSON array. Only where they
 * begin and end is kept in memory, so that a file may be larger than it.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { QuintetError } from '../tensor/index.js';

export interface Records {
  readonly path: string;
  readonly count: number;
  /** The line, counted from 1, on which a record begins. */
  lineOf(index: number): number;
  /** The JSON text of a record. */
  read(index: number): Promise<string>;
  close(): Promise<void>;
}

const chunkBytes = 2 ** 20;
/** Far above any conversation; a hostile file could otherwise be one single line. */
const largestRecord = 2 ** 24;

/** Where records begin and end in bytes, and on which line they begin. */
interface Extents {
  readonly starts: number[];
  readonly ends: number[];
  readonly lines: number[];
}

/** Opens a file whose first character says what it is: `[` an array of objects, anything else one object a line. */
export async function openRecords(path: string): Promise<Records> {
  const file = await openFile(path);
  try {
    const { starts, ends, lines } = await scan(file, path);
    return {
      path,
      count: starts.length,
      lineOf: (index) => lines[index] as number,
      read: (index) => readText(file, starts[index] as number, ends[index] as number, `${path}:${lines[index]}`),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new QuintetError('not-found', 'cannot be opened', { at: path, cause });
  }
}

async function scan(file: FileHandle, path: string): Promise<Extents> {
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
    scanner ??= bytes.subarray(mark).find((byte) => !isSpace(byte)) === 0x5b ? arrayScanner(path) : lineScanner();
    scanner.take(bytes.subarray(mark), at + mark, extents);
    at += bytesRead;
  }
  scanner?.end(at, extents);
  return extents;
}

interface Scanner {
  take(bytes: Uint8Array, offset: number, extents: Extents): void;
  end(size: number, extents: Extents): void;
}

const isSpace = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** Every line that is not blank. */
function lineScanner(): Scanner {
  let line = 1;
  let start = -1; // of the first character of this line that is no space
  const finish = (end: number, { starts, ends, lines }: Extents) => {
    if (start >= 0) {
      starts.push(start);
      ends.push(end);
      lines.push(line);
    }
    start = -1;
    line++;
  };
  return {
    take(bytes, offset, extents) {
      for (let i = 0; i < bytes.length; i++) {
        if (start >= 0) {
          const newline = bytes.indexOf(0x0a, i);
          if (newline < 0) return;
          i = newline;
        }
        const byte = bytes[i] as number;
        if (byte === 0x0a) finish(offset + i, extents);
        else if (!isSpace(byte)) start = offset + i;
      }
    },
    end: finish,
  };
}

type Place = 'before' | 'between' | 'object' | 'after';

/** Every object of the outermost array; whether it is JSON inside is left to the parser. */
function arrayScanner(path: string): Scanner {
  let place: Place = 'before';
  let line = 1;
  let depth = 0;
  let inString = false;
  let escaped = false;
  const wrong = (what: string) => new QuintetError('format', what, { at: `${path}:${line}` });

  const inObject = (byte: number) => {
    if (escaped) escaped = false;
    else if (inString) {
      if (byte === 0x5c) escaped = true;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
  };
  const outside = (byte: number): Place => {
    if (place === 'before' && byte === 0x5b) return 'between';
    if (place === 'between' && byte === 0x5d) return 'after';
    if (place === 'between' && byte === 0x7b) return 'object';
    if (place === 'between' && byte === 0x2c) return 'between';
    throw wrong(place === 'after' ? 'text after the end of the array' : 'expected an array of objects');
  };
  return {
    take(bytes, offset, { starts, ends, lines }) {
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i] as number;
        if (byte === 0x0a) line++;
        if (place === 'object') {
          inObject(byte);
          if (depth > 0) continue;
          ends.push(offset + i + 1);
          place = 'between';
        } else if (!isSpace(byte)) {
          place = outside(byte);
          if (place !== 'object') continue;
          starts.push(offset + i);
          lines.push(line);
          depth = 1;
        }
      }
    },
    end() {
      if (place !== 'after') throw wrong('the array does not end');
    },
  };
}

async function readText(file: FileHandle, start: number, end: number, at: string): Promise<string> {
  if (end - start > largestRecord) {
    throw new QuintetError('limit', `a record of ${end - start} bytes; at most ${largestRecord} are read`, { at });
  }
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new QuintetError('io', 'the file was cut while it was read', { at });
    done += bytesRead;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new QuintetError('data', 'not UTF-8', { at, cause });
  }
}
