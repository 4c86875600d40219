/**
 * Tells photographs from what is drawn: Fisher's linear discriminant with channels as independent as pseudo photographs have
 * them (Fisher, 1936, https://doi.org/10.1111/j.1469-1809.1936.tb02137.x). A head that learns leans on what only pseudo
 * photographs have, and takes many real ones for drawings.
 */
import { viewWidths } from '../../src/parts/encoders/efficientnet-views.js';
import { type HostArray, hostArray, Random } from '../../src/tensor/index.js';
import type { PhotoSource } from './pseudo-photos.js';
import { type openViews, rowLength } from './views.js';

/** Of each kind, so many are looked at. */
const looked = 6000;

/** Added to variances: what hardly varies says little. */
const least = 2e-3;

/** Share of drawn pictures that may be taken for photographs. */
const mistaken = 0.01;

/** The score of half of the drawn pictures is at most this: as good as certain. */
const usual = -4;

const width: number = viewWidths.last;

/** Weight [2, 1280] and bias [2] for means of the last grid: no photograph, and one. */
export function photoHead(
  { count, read }: ReturnType<typeof openViews>,
  photos: PhotoSource,
): { readonly weight: HostArray; readonly bias: HostArray } {
  const random = new Random(8);
  const views = new Float32Array(rowLength);
  const drawn = Array.from({ length: looked }, (_, i) => {
    read(Math.floor((i * count) / looked), views);
    return views.slice(0, width);
  });
  const [of, beside] = [moments(Array.from({ length: looked }, () => photos.draw(random))), moments(drawn)];
  const direction = Float64Array.from(of.mean, (mean, i) => {
    return (mean - beside.mean[i]!) / (of.variance[i]! + beside.variance[i]! + least);
  });
  const scores = drawn.map((x) => x.reduce((sum, value, i) => sum + value * direction[i]!, 0)).sort((a, b) => a - b);
  const [half, most] = [scores[looked >> 1]!, scores[Math.floor((1 - mistaken) * looked)]!];
  const scale = usual / (half - most);
  const weight = new Float32Array(2 * width);
  weight.set(
    Float32Array.from(direction, (value) => scale * value),
    width,
  );
  return {
    weight: hostArray('f32', [2, width], weight),
    bias: hostArray('f32', [2], [0, -scale * most]),
  };
}

function moments(rows: readonly Float32Array[]): { readonly mean: Float64Array; readonly variance: Float64Array } {
  const [mean, variance] = [new Float64Array(width), new Float64Array(width)];
  for (const row of rows) for (let i = 0; i < width; i++) mean[i]! += row[i]! / rows.length;
  for (const row of rows) for (let i = 0; i < width; i++) variance[i]! += (row[i]! - mean[i]!) ** 2 / rows.length;
  return { mean, variance };
}
