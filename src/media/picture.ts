/** Pictures in memory: eight bits a channel, red, green and blue interleaved, rows from the top. */

import { atOnce, type InParts, QuintetError } from '../tensor/index.js';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly data: Uint8Array;
}

/** Bytes that are looked at one by one in a part of longer work: a millisecond's worth, several before code is compiled. */
export const bytesAtOnce = 2 ** 18;

const keys = new WeakMap<Picture, string>();

/** A short text that is the same for the same pixels and, but for accidents of 2^-64, for no others. */
export const pictureKey = (picture: Picture): string => atOnce(pictureKeyInParts(picture));

/** The same in parts. */
export function* pictureKeyInParts(picture: Picture): InParts<string> {
  const known = keys.get(picture);
  if (known !== undefined) return known;
  const { width, height, data } = picture;
  // Two sums by multiplication and mixing, of FNV-1a's kind, with different primes.
  let [a, b] = [0x811c9dc5 ^ width, 0x9e3779b9 ^ height];
  for (let from = 0; from < data.length; from += bytesAtOnce) {
    if (from > 0) yield;
    for (const byte of data.subarray(from, from + bytesAtOnce)) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte ^ (a >>> 15), 0x85ebca6b);
    }
  }
  const key = [width, height, a >>> 0, b >>> 0].map((part) => part.toString(36)).join('-');
  keys.set(picture, key);
  return key;
}

export interface PictureLimits {
  /** Largest file in bytes. */
  readonly bytes: number;
  /** Largest width and largest height. */
  readonly side: number;
  /** Largest width times height. */
  readonly pixels: number;
  /** Most passes over the pixels in a progressive JPEG, each of which takes time but hardly a byte; encoders write ten. */
  readonly scans: number;
}

/**
 * 64 MiB, 32768 a side, 67 million pixels (a 50-megapixel photograph passes). Decoding takes up to 12 bytes a pixel for a
 * while, so that these keep a process below 1 GB.
 */
export const pictureLimits: PictureLimits = { bytes: 2 ** 26, side: 2 ** 15, pixels: 2 ** 26, scans: 64 };

/** A picture of one colour, within the limits. */
export function plainPicture(width: number, height: number, colour: readonly number[] = [0, 0, 0]): Picture {
  checkSize(width, height, 'a new picture');
  const data = new Uint8Array(width * height * 3);
  if (colour.some((level) => level !== 0)) for (let i = 0; i < data.length; i++) data[i] = colour[i % 3] as number;
  return { width, height, data };
}

/** Refuses sizes that are nothing or beyond the limits. */
export function checkSize(width: number, height: number, at: string, limits: PictureLimits = pictureLimits): void {
  if (width < 1 || height < 1) {
    throw new QuintetError('media', `a picture of ${width} x ${height} pixels has none`, { at });
  }
  if (width > limits.side || height > limits.side || width * height > limits.pixels) {
    const most = `at most ${limits.side} a side and ${limits.pixels} in all`;
    throw new QuintetError('limit', `a picture of ${width} x ${height} pixels; ${most} are taken`, {
      at,
      hint: 'Scale the picture down first, or pass higher limits.',
    });
  }
}

/** Copies the part of `source` that starts at (left, top) and is as large as fits to (x, y) of `target`. */
export function paste(target: Picture, source: Picture, { left = 0, top = 0, x = 0, y = 0 }): void {
  const width = Math.min(source.width - left, target.width - x);
  const height = Math.min(source.height - top, target.height - y);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * source.width + left) * 3;
    target.data.set(source.data.subarray(from, from + width * 3), ((y + row) * target.width + x) * 3);
  }
}

/** A part of a picture, which lies within it. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The pixels of a part. Whole rows are not copied. */
export function crop(picture: Picture, { left, top, width, height }: Region): Picture {
  const row = picture.width * 3;
  const rows = picture.data.subarray(top * row, (top + height) * row);
  if (width === picture.width) return height === picture.height ? picture : { width, height, data: rows };
  const part = { width, height, data: new Uint8Array(width * height * 3) };
  paste(part, { ...picture, height, data: rows }, { left });
  return part;
}
