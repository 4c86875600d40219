/** What Quintet's steps are given. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { orderOf } from '../../src/data/index.js';
import type { HostArrays } from '../../src/index.js';
import { hostArray } from '../../src/tensor/index.js';
import type { Tokenizer } from '../../src/text/index.js';
import type { BatchSource } from '../../src/train/index.js';
import { pictureSide, places } from './pictured.js';

/** The id that stands where pictures are, and how many words are said of each. */
export const [pictureToken, words] = [49151, 64];

/** The same arbitrary words in every step, all of which are predicted. */
export function texts(rows: number, tokens: number, vocab: number): BatchSource {
  const ids = arbitrary(rows * tokens, vocab);
  return always(batchOf(ids, ids, [rows, tokens]));
}

/** The project's pages, without the one that benchmarks write. */
const pages = [
  ...[
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'models/smol/README.md',
    'models/nano/README.md',
  ],
  ...['docs/adding-a-system.md', 'docs/browser.md', 'docs/data.md', 'docs/inference.md', 'docs/run-files.md'],
  ...['docs/several-machines.md', 'docs/structured-output.md'],
];

/** Stretches of the pages, in another order in every epoch; all words are predicted. */
export function readings(rows: number, tokens: number, tokenizer: Tokenizer): BatchSource {
  const folder = join(process.env.BENCH_FOLDER as string, '..');
  const ids = tokenizer.encode(pages.map((page) => readFileSync(join(folder, page), 'utf8')).join('\n'));
  const order = orderOf(Math.floor(ids.length / tokens), 1);
  const stretch = (position: number): number[] => ids.slice(order(position) * tokens, (order(position) + 1) * tokens);
  return batches(rows, (step) => {
    const taken = Array.from({ length: rows }, (_, row) => stretch(step * rows + row)).flat();
    return batchOf(taken, taken, [rows, tokens]);
  });
}

/** In every step the same picture and arbitrary words about it in each row; words are predicted. */
export function conversations(rows: number): BatchSource {
  const said = arbitrary(rows * words, pictureToken);
  const rowsOf = (before: number): number[] =>
    Array.from({ length: rows }, (_, row) => [
      ...new Array<number>(places).fill(before),
      ...said.slice(row * words, (row + 1) * words),
    ]).flat();
  const pixels = Float32Array.from(arbitrary(rows * 3 * pictureSide ** 2, 256), (level) => level / 127.5 - 1);
  return always({
    ...batchOf(rowsOf(pictureToken), rowsOf(-100), [rows, places + words]),
    pixel_values: hostArray('f32', [rows, 3, pictureSide, pictureSide], pixels),
  });
}

const always = (batch: HostArrays): BatchSource => batches(batch.input_ids?.shape[0] as number, () => batch);

function batches(rows: number, of: (step: number) => HostArrays): BatchSource {
  return { fields: Object.keys(of(0)), accumulates: false, rows, take: async (step) => [of(step)] };
}

function batchOf(ids: readonly number[], labels: readonly number[], shape: readonly number[]): HostArrays {
  const array = (values: readonly number[]) => hostArray('i64', shape, values);
  return { input_ids: array(ids), attention_mask: array(ids.map(() => 1)), labels: array(labels) };
}

function arbitrary(count: number, below: number): number[] {
  let state = 1234567;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  });
}
