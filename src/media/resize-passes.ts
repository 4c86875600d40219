/**
 * The two passes of resampling. Within columns a row is a weighted sum of rows. Within rows the same sums are taken of the
 * picture turned on its side, and turned back: that costs less than gathering the three channels of neighbours.
 */
import type { InParts } from '../tensor/index.js';
import { blockBytes, kernelsWith, vectorBytes, wholeVectors } from './kernels.js';
import type { Picture, Region } from './picture.js';

/** What one output position takes: `counts[o]` inputs from `starts[o]` on, weighted by `weights[o * taps ...]`. */
export interface Weights {
  readonly taps: number;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Fixed point with `fraction` bits (kernels.ts). */
  readonly weights: Int32Array;
}

const pixel = 3;

/** A part of a picture, resized within its rows: [H, from, 3] -> [H, to, 3] */
export function* resizeRows(
  picture: Picture,
  part: Region,
  { starts, counts, taps, weights }: Weights,
): InParts<Picture> {
  const [from, to] = [wholeVectors(part.width * pixel), wholeVectors(starts.length * pixel)];
  const result = {
    width: starts.length,
    height: part.height,
    data: new Uint8Array(starts.length * pixel * part.height),
  };
  const rows = wholeVectors(Math.min(part.height, blockBytes / Math.max(from, to)));
  const sizes = [weights.byteLength, rows * from, from * rows, to * rows, rows * to];
  for (let top = 0; top < part.height; top += rows) {
    if (top > 0) yield;
    const { memory, levels, at, ...kernels } = kernelsWith(sizes);
    const [, source, turned, sums, target] = at as [number, number, number, number, number];
    new Int32Array(memory.buffer).set(weights);
    const height = Math.min(rows, part.height - top);
    copyIn({ levels, at: source, stride: from }, picture, { ...part, top: part.top + top, height });
    for (let row = 0; row < rows; row += vectorBytes) {
      const start = source + row * from;
      kernels.turn(start, start + from, from, turned + row, rows);
    }
    for (let o = 0; o < starts.length * pixel; o++) {
      const x = Math.floor(o / pixel);
      const first = turned + ((starts[x] as number) * pixel + (o % pixel)) * rows;
      const [weight, own] = [4 * x * taps, sums + o * rows];
      kernels.sum(first, pixel * rows, weight, weight + 4 * (counts[x] as number), own, own + rows);
    }
    for (let row = 0; row < to; row += vectorBytes) {
      const start = sums + row * rows;
      kernels.turn(start, start + rows, rows, target + row, to);
    }
    copyOut({ levels, at: target, stride: to }, result, { top, height });
  }
  return result;
}

/** A part of a picture, resized within its columns: [from, W, 3] -> [to, W, 3] */
export function* resizeColumns(
  picture: Picture,
  part: Region,
  { starts, counts, taps, weights }: Weights,
): InParts<Picture> {
  const to = starts.length;
  const stride = wholeVectors(part.width * pixel);
  const result = { width: part.width, height: to, data: new Uint8Array(part.width * pixel * to) };
  const endOf = (y: number): number => (starts[y] as number) + (counts[y] as number);
  for (let first = 0, next = 1; first < to; first = next++) {
    const top = starts[first] as number;
    while (next < to && Math.max(endOf(next) - top, next - first) * stride <= blockBytes) next++;
    if (first > 0) yield;
    const [height, outputs] = [endOf(next - 1) - top, next - first];
    const { memory, levels, at, sum } = kernelsWith([weights.byteLength, height * stride, outputs * stride]);
    const [, source, target] = at as [number, number, number];
    new Int32Array(memory.buffer).set(weights);
    copyIn({ levels, at: source, stride }, picture, { ...part, top: part.top + top, height });
    for (let y = first; y < next; y++) {
      const [from, weight] = [source + ((starts[y] as number) - top) * stride, 4 * y * taps];
      const own = target + (y - first) * stride;
      sum(from, stride, weight, weight + 4 * (counts[y] as number), own, own + stride);
    }
    copyOut({ levels, at: target, stride }, result, { top: first, height: outputs });
  }
  return result;
}

/** Rows in the memory, `stride` bytes apart. */
interface Place {
  readonly levels: Uint8Array;
  readonly at: number;
  readonly stride: number;
}

function copyIn({ levels, at, stride }: Place, { width, data }: Picture, part: Region): void {
  for (let y = 0; y < part.height; y++) {
    const from = ((part.top + y) * width + part.left) * pixel;
    levels.set(data.subarray(from, from + part.width * pixel), at + y * stride);
  }
}

function copyOut({ levels, at, stride }: Place, { width, data }: Picture, { top = 0, height = 0 }): void {
  const bytes = width * pixel;
  for (let y = 0; y < height; y++) {
    data.set(levels.subarray(at + y * stride, at + y * stride + bytes), (top + y) * bytes);
  }
}
