/**
 * What image processors share: their result, the reading of their settings, and eight-bit levels as tensors.
 *
 * N pictures, H rows, W columns
 */

import { atOnce, type Fields, type HostArray, type InParts, QuintetError, zerosArray } from '../../tensor/index.js';
import { blockBytes, kernelsWith } from '../kernels.js';
import type { Picture } from '../picture.js';
import type { Resampling } from '../resize.js';
import type { Size } from './sizes.js';

export interface Pixels {
  /**
   * Under the names and in the shapes of transformers: pixel_values f32 [N, 3, H, W] over all conversations, or
   * [conversations, tiles, 3, H, W] with pixel_attention_mask i64 [conversations, tiles, H, W].
   */
  readonly tensors: Readonly<Record<string, HostArray>>;
  /** For each conversation its pictures in order. */
  readonly pictures: readonly (readonly PictureLayout[])[];
}

/** What the expansion of a prompt needs to know of one picture: the size it came with, and how it was split. */
export interface PictureLayout extends Size {
  /** [rows, columns] of the tiles that stand before the whole picture; absent where it was not split. */
  readonly grid?: readonly [number, number];
}

/** Turns the pictures of each conversation of a batch into tensors. */
export interface ImageProcessor {
  (conversations: readonly (readonly Picture[])[]): Pixels;
  /** The same in parts. */
  readonly inParts: ProcessingInParts;
}

export type ProcessingInParts = (conversations: readonly (readonly Picture[])[]) => InParts<Pixels>;

export const processorOf = (inParts: ProcessingInParts): ImageProcessor =>
  Object.assign<(...given: Parameters<ProcessingInParts>) => Pixels, { readonly inParts: ProcessingInParts }>(
    (conversations) => atOnce(inParts(conversations)),
    { inParts },
  );

/** The numbers of Pillow's Resampling enumeration. */
const resamplings: readonly Resampling[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

export function readResampling(f: Fields): Resampling {
  const number = f.whole('resample');
  const resampling = resamplings[number];
  if (resampling === undefined) {
    const known = resamplings.map((name, i) => `${i} (${name})`).join(', ');
    throw new QuintetError('config', `expected one of ${known}, got ${number}`, { at: `${f.at}: resample` });
  }
  return resampling;
}

/** Three numbers, or one for all three channels. */
export function readChannels(f: Fields, name: string): readonly number[] {
  if (typeof f.raw[name] === 'number') return Array<number>(3).fill(f.number(name));
  const values = f.numbers(name);
  if (values.length !== 3) {
    throw new QuintetError('config', `expected three numbers, got ${values.length}`, { at: `${f.at}: ${name}` });
  }
  return values;
}

/** The value of each of the 256 levels, for each of the three channels. */
export type Levels = readonly Float32Array[];

/**
 * do_rescale and do_normalize as tables, since a value depends on its level and channel only. In float32 and in
 * transformers' order: level * factor, less the mean, over the deviation.
 */
export function readLevels(f: Fields): Levels {
  const factor = f.flag('do_rescale', false) ? f.number('rescale_factor') : 1;
  const isNormalised = f.flag('do_normalize', false);
  const means = isNormalised ? readChannels(f, 'image_mean') : [0, 0, 0];
  const deviations = isNormalised ? readChannels(f, 'image_std') : [1, 1, 1];
  return means.map((mean, channel) => {
    const deviation = Math.fround(deviations[channel] as number);
    if (deviation === 0) throw new QuintetError('config', 'a deviation must not be 0', { at: `${f.at}: image_std` });
    return Float32Array.from({ length: 256 }, (_, level) => {
      return Math.fround(Math.fround(level * factor) - Math.fround(mean)) / deviation;
    });
  });
}

/** Pictures as one f32 tensor [N, 3, H, W]; those smaller than `size` have zeros at the right and below. */
export function* stack(pictures: readonly Picture[], levels: Levels, size: Size): InParts<HostArray> {
  const { width, height } = size;
  const outside = pictures.find((picture) => picture.width > width || picture.height > height);
  if (outside) {
    const sizes = `${outside.width} x ${outside.height} pixels does not fit into ${width} x ${height}`;
    throw new QuintetError('config', `pad_size: a picture of ${sizes}`);
  }
  const array = zerosArray('f32', [pictures.length, 3, height, width]);
  const target = array.data as Float32Array;
  for (const [i, picture] of pictures.entries()) {
    yield* writePlanes(picture, levels, { target, offset: i * 3 * height * width, size });
  }
  return array;
}

/** Writes a picture [h, w, 3] as three planes of `size`, [3, H, W], from `offset` of `target` on. */
export function* writePlanes(
  picture: Picture,
  levels: Levels,
  { target, offset, size }: { readonly target: Float32Array; readonly offset: number; readonly size: Size },
): InParts<void> {
  const area = size.width * size.height;
  const { width, height, data } = picture;
  const rows = Math.max(1, Math.floor(blockBytes / (width * 4)));
  const planeBytes = rows * width * 4;
  for (let top = 0; top < height; top += rows) {
    yield;
    const { memory, levels: bytes, at, spread } = kernelsWith([3 * 256 * 4, rows * width * 3, 3 * planeBytes]);
    const [tables, source, planes] = at as [number, number, number];
    const numbers = new Float32Array(memory.buffer);
    for (const [channel, values] of levels.entries()) numbers.set(values, tables / 4 + channel * 256);
    const block = data.subarray(top * width * 3, (top + rows) * width * 3);
    bytes.set(block, source);
    spread(source, source + block.length, tables, planes, planeBytes);
    for (let channel = 0; channel < 3; channel++) {
      const from = (planes + channel * planeBytes) / 4;
      for (let y = 0; y < block.length / (width * 3); y++) {
        const row = numbers.subarray(from + y * width, from + (y + 1) * width);
        target.set(row, offset + channel * area + (top + y) * size.width);
      }
    }
  }
}

/** The size that all pictures have. `at` names the settings for error messages. */
export function commonSize([first, ...rest]: readonly Picture[], at: string): Size {
  const { width, height } = first as Picture;
  const other = rest.find((picture) => picture.width !== width || picture.height !== height);
  if (other) {
    const sizes = `${width} x ${height} and ${other.width} x ${other.height}`;
    throw new QuintetError('data', `pictures of ${sizes} pixels do not make one tensor`, {
      at,
      hint: 'Process them one by one, or let the settings crop, pad or resize to a fixed size.',
    });
  }
  return { width, height };
}
