/** What Smol's encoder sees of pictures, computed once and kept in files: a row of f32 [10, 1756] a picture. */
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/index.js';
import { compile } from '../../src/model/compile.js';
import { checkpointWeights } from '../../src/model/weights.js';
import { efficientNetViews, viewCount, viewWidthOf, viewWidths } from '../../src/parts/encoders/efficientnet-views.js';
import { defaultEngine } from '../../src/runtime/index.js';
import { declarationsOf, inputTensors, type Network } from '../../src/system/index.js';
import { type HostArray, hostArray } from '../../src/tensor/index.js';
import type { Picture } from '../nano/canvas.js';
import { pictureSide } from './pictures.js';
import { published } from './places.js';

export const viewWidth = viewWidthOf(pictureSide);
export const rowLength = viewCount * viewWidth;

/** Where in a view the shares of colours begin, behind the encoder's channels, and where they end. */
export const sharesFrom = viewWidths.last + viewWidths.middle;
export const sharesTo = sharesFrom + viewWidths.shares;

/** Whether a number of views [N, E], by its index, tells which share is of a colour. */
export function isShare(index: number): boolean {
  const at = index % viewWidth;
  return at >= sharesFrom && at < sharesTo;
}

const side = pictureSide;
const batch = 8;

const encoder = efficientNetViews({ image: side, width: 1, depth: 1, classes: 1000 });

/** The encoder alone. */
const network: Network = {
  name: 'smol views',
  inputs: { pixel_values: { dtype: 'f32', shape: ['M', 3, side, side] } },
  buffers: encoder.buffers ?? [],
  forward: (p, { pixel_values: pixels }) => (pixels ? { views: encoder.forward(p, pixels, {}) } : {}),
};

/** Pixels of a picture as the encoder takes them: [3, side, side] in -1 to 1. */
function pixelsOf({ data }: Picture, planes: Float32Array): void {
  const size = side * side;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) planes[c * size + i] = (data[3 * i + c] as number) / 127.5 - 1;
  }
}

/**
 * Writes the views of pictures 0 to `count` to a file, in their order. It goes on where it was stopped.
 */
export async function writeViews(file: string, count: number, draw: (index: number) => Picture): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const bytes = rowLength * 4;
  const handle = openSync(file, 'a+');
  const done = Math.floor(fstatSync(handle).size / bytes);
  ftruncateSync(handle, done * bytes);
  if (done >= count) return closeSync(handle);
  const gigabytes = ((count * bytes) / 1e9).toFixed(1);
  console.log(
    `${basename(file)}: ${done > 0 ? `goes on behind ${done}` : 'begins'}, of ${count} pictures; ${gigabytes} GB`,
  );
  const engine = await defaultEngine();
  const weights = checkpointWeights(
    network,
    declarationsOf(network),
    await openCheckpoint(published.encoder),
    'encoder',
  );
  const session = await compile({ engine, weights, session: { threads: 1 }, adapt: (p) => p }, 'views', (p) =>
    network.forward(p, inputTensors(network.inputs)),
  );
  const started = performance.now();
  let told = started;
  for (let from = done; from < count; from += batch) {
    const rows = Math.min(batch, count - from);
    const data = new Float32Array(rows * 3 * side * side);
    for (let i = 0; i < rows; i++) {
      pixelsOf(draw(from + i), data.subarray(i * 3 * side * side, (i + 1) * 3 * side * side));
    }
    const { views } = await session.run({ pixel_values: hostArray('f32', [rows, 3, side, side], data) });
    const { data: seen } = views as HostArray;
    writeSync(handle, new Uint8Array(seen.buffer, seen.byteOffset, seen.byteLength));
    if (performance.now() - told < 30_000) continue;
    told = performance.now();
    const rate = ((from + rows - done) / (told - started)) * 1000;
    const left = (count - from - rows) / rate / 60;
    console.log(
      `${basename(file)}: ${from + rows} of ${count} pictures, ${rate.toFixed(1)} a second, ${left.toFixed(0)} minutes left`,
    );
  }
  await session.close();
  await weights.close();
  closeSync(handle);
}

/** Rows of a file of views, read by their index. */
export function openViews(file: string): { readonly count: number; read(index: number, into: Float32Array): void } {
  const handle = openSync(file, 'r');
  return {
    count: Math.floor(fstatSync(handle).size / (rowLength * 4)),
    read(index, into) {
      readSync(
        handle,
        new Uint8Array(into.buffer, into.byteOffset, rowLength * 4),
        0,
        rowLength * 4,
        index * rowLength * 4,
      );
    },
  };
}
