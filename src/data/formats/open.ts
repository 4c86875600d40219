/** Opens files of records of any format, which is recognised by what is in them. */

import { closeAll, closeOnFailure, QuintetError } from '../../tensor/index.js';
import { looksLikeCsv, openCsv } from './csv-records.js';
import { openFile } from './file.js';
import { joined } from './joined.js';
import { openJson } from './json-records.js';
import type { FormatName } from './names.js';
import { createParquetReader } from './parquet-records.js';
import type { Blocks, Records } from './records.js';
import { looksLikeTar } from './tar-index.js';
import { openTar } from './tar-records.js';
import { openText } from './text-records.js';

/** The records of files one after another. Each file's own format is recognised where none is given. */
export async function openRecords(paths: readonly string[], format?: FormatName): Promise<Records> {
  const parquet = createParquetReader();
  const open: Readonly<Record<FormatName, (path: string) => Promise<Records>>> = {
    json: openJson,
    csv: openCsv,
    tar: openTar,
    parquet: parquet.open,
    text: openText,
  };
  const opened: Records[] = [];
  const close = () => closeAll(...opened, parquet);
  return closeOnFailure([{ close }], async () => {
    for (const path of paths) opened.push(await open[format ?? (await formatOf(path))](path));
    const { starts, ...records } = joined(opened);
    return { ...records, close, ...blocksOf(opened, starts) };
  });
}

/** Enough for a tar header, and for the names of a table's columns. */
const beginning = 2 ** 16;

async function formatOf(path: string): Promise<FormatName> {
  const file = await openFile(path);
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(beginning), 0, beginning, 0);
    const start = buffer.subarray(0, bytesRead);
    const text = new TextDecoder().decode(start);
    if (text.startsWith('PAR1')) return 'parquet';
    if (looksLikeTar(start)) return 'tar';
    if (start[0] === 0x1f && start[1] === 0x8b) {
      const hint = 'Decompress it first: samples are read at their places';
      throw new QuintetError('unsupported', 'a compressed file', { at: path, hint });
    }
    // Nothing within tells a text from other files.
    if (/\.txt$/i.test(path)) return 'text';
    // Whatever is none of these gets an error for its first line.
    return !/^\s*[[{]/.test(text) && looksLikeCsv(text) ? 'csv' : 'json';
  } finally {
    await file.close();
  }
}

/** A file without stretches is one. */
function blocksOf(files: readonly Records[], starts: readonly number[]): { readonly blocks?: Blocks } {
  if (files.every(({ blocks }) => !blocks)) return {};
  const all = files.flatMap(({ blocks }, i) => (blocks?.starts ?? [0]).map((start) => (starts[i] as number) + start));
  return {
    blocks: {
      starts: all,
      held: files.reduce((fewest, { blocks }) => Math.min(fewest, blocks?.held ?? fewest), Infinity),
    },
  };
}
