/** The lines of JSONL, or the objects of one JSON array. */

import { type Fields, fields, parseJson, QuintetError } from '../../tensor/index.js';
import { type Extents, readText, type Scanner, scanFile } from './extents.js';
import { openFor } from './file.js';
import type { Records } from './records.js';

/** Opens a file whose first character says what it is: `[` an array of objects, anything else one object a line. */
export function openJson(path: string): Promise<Records> {
  return openExtents(
    path,
    (first) => (first.find((byte) => !isSpace(byte)) === 0x5b ? arrayScanner(path) : lineScanner()),
    (text, at) => fields(parseJson(text, at), at),
  );
}

/** What a record's text holds. */
type Parse = (text: string, at: string) => Fields;

/** Opens a file of a record a line; blank lines are none. */
export const openLines = (path: string, parse: Parse): Promise<Records> => openExtents(path, lineScanner, parse);

function openExtents(path: string, begin: (first: Uint8Array) => Scanner, parse: Parse): Promise<Records> {
  return openFor(path, async (file) => {
    const { starts, ends, lines } = await scanFile(file, begin);
    const where = (index: number) => `${path}:${lines[index]}`;
    return {
      count: starts.length,
      where,
      async read(index) {
        const at = where(index);
        return parse(await readText(file, { start: starts[index] as number, end: ends[index] as number }, at), at);
      },
      lengths: async () => starts.map((start, i) => (ends[i] as number) - start),
      close: () => file.close(),
    };
  });
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
  const wrong = (what: string, hint?: string) =>
    new QuintetError('format', what, { at: `${path}:${line}`, ...(hint === undefined ? {} : { hint }) });

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
      if (place === 'after') return;
      const hint = 'The file is cut off: download or copy it again, or close what is open in it, the array with "]"';
      throw wrong('the array does not end', hint);
    },
  };
}
