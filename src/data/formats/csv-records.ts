/**
 * Tables of comma-separated values, also with semicolons or tabs, whose first line names the columns (RFC 4180). Empty cells
 * count as missing.
 */
import { parse } from 'csv-parse/sync';
import { fields, QuintetError } from '../../tensor/index.js';
import { pictureFields } from '../pictures.js';
import { dataError } from '../sample.js';
import { type Extents, readText, type Scanner, scanFile } from './extents.js';
import { openFor } from './file.js';
import type { Records } from './records.js';

const delimiters = [',', ';', '\t'];
const quoting =
  'Put quotation marks around cells that hold commas, quotation marks or line breaks, and double those within';
const quote = 0x22;
const newline = 0x0a;
const carriageReturn = 0x0d;

/** Columns of which a table that can be learnt from has two. */
const telling: readonly string[] = [...pictureFields, 'caption', 'text', 'question', 'answer'];

/** Whether a text begins with the names of columns that samples have. */
export function looksLikeCsv(text: string): boolean {
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  const names = line.split(delimiterOf(line)).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  return names.filter((name) => telling.includes(name)).length >= 2;
}

export function openCsv(path: string): Promise<Records> {
  return openFor(path, async (file) => {
    let delimiter = ',';
    const { starts, ends, lines } = await scanFile(file, (first) => {
      delimiter = delimiterOf(new TextDecoder().decode(first).split(/\r?\n/, 1)[0] ?? '');
      return csvScanner(delimiter.charCodeAt(0));
    });
    const where = (index: number) => `${path}:${lines[index + 1]}`;
    const cells = async (record: number): Promise<readonly string[]> => {
      const at = `${path}:${lines[record]}`;
      const text = await readText(file, { start: starts[record] as number, end: ends[record] as number }, at);
      return cellsOf(text, delimiter, at);
    };
    if (starts.length === 0) throw new QuintetError('format', 'a table without a line of column names', { at: path });
    const names = await cells(0);
    const twice = names.find((name, i) => name === '' || names.indexOf(name) < i);
    if (twice !== undefined) throw new QuintetError('format', `two columns are called "${twice}"`, { at: `${path}:1` });
    return {
      count: starts.length - 1,
      where,
      async read(index) {
        const row = await cells(index + 1);
        if (row.length !== names.length) {
          throw dataError(where(index), `${row.length} cells, but ${names.length} columns`, quoting);
        }
        const named = names.map((name, i): [string, string] => [name, row[i] as string]);
        return fields(Object.fromEntries(named.filter(([, cell]) => cell !== '')), where(index));
      },
      lengths: async () => starts.slice(1).map((start, i) => (ends[i + 1] as number) - start),
      close: () => file.close(),
    };
  });
}

/** What stands most often between the names of columns. */
function delimiterOf(line: string): string {
  const counts = delimiters.map((delimiter) => line.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))] as string;
}

function cellsOf(text: string, delimiter: string, at: string): readonly string[] {
  try {
    const rows: string[][] = parse(text, { delimiter, relax_column_count: true });
    return rows[0] ?? [];
  } catch (cause) {
    // Why, the parser says with lines that it counts from the record's.
    throw new QuintetError('data', 'not CSV: a quotation mark in the midst of a cell, or one that is never closed', {
      ...{ at, cause, hint: quoting },
    });
  }
}

/** Every record that is not blank: up to a line break that stands outside of quotation marks. */
function csvScanner(delimiter: number): Scanner {
  let line = 1;
  let start = -1;
  let startLine = 1;
  let quoted = false;
  let cellBegins = true;
  let reopens = false; // the byte before closed a cell: another mark makes it a doubled one
  let last = 0; // the end of what is neither a line break nor a carriage return before one
  const finish = ({ starts, ends, lines }: Extents) => {
    if (start >= 0) {
      starts.push(start);
      ends.push(last);
      lines.push(startLine);
    }
    start = -1;
  };
  return {
    take(bytes, offset, extents) {
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i] as number;
        if (byte === newline) line++;
        if (byte === newline && !quoted) {
          finish(extents);
          cellBegins = true;
          continue;
        }
        if (byte === carriageReturn && !quoted) continue;
        if (start < 0) [start, startLine] = [offset + i, line];
        last = offset + i + 1;
        // Only a mark that begins a cell opens it; within, a doubled one closes and opens again.
        if (byte === quote && (quoted || cellBegins || reopens)) {
          reopens = quoted;
          quoted = !quoted;
        } else reopens = false;
        cellBegins = byte === delimiter;
      }
    },
    end: (_, extents) => finish(extents),
  };
}
