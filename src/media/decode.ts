/**
 * Picture files into upright RGB, equal to Pillow's `ImageOps.exif_transpose(image).convert('RGB')`: the EXIF
 * orientation is applied, alpha is dropped (not blended), an animation is its first frame, colour profiles are ignored.
 *
 * The size is checked before a decoder runs. In Node the decoder is sharp. A browser's own differs from Pillow in CMYK, by
 * one level, and in 16-bit grey, which it scales where Pillow clips.
 */

import { inTurns, QuintetError } from '../tensor/index.js';
import { decodeInBrowser, inBrowser } from './browser.js';
import { decodeGif } from './gif.js';
import { readHeader } from './header.js';
import { checkSize, type Picture, type PictureLimits, pictureLimits } from './picture.js';
import type { PictureFormat } from './sharp.js';

export interface DecodeOptions {
  readonly limits?: Partial<PictureLimits>;
  /** Names the picture in error messages. */
  readonly at?: string;
}

/**
 * Decodes a PNG, JPEG, WebP or GIF file. Throws QuintetError 'limit' for pictures beyond the limits, before decoding
 * them, and 'media' for damaged or foreign files.
 */
export async function decodePicture(
  bytes: Uint8Array,
  { limits, at = 'picture' }: DecodeOptions = {},
): Promise<Picture> {
  const bounds = { ...pictureLimits, ...limits };
  if (bytes.length > bounds.bytes) {
    throw new QuintetError('limit', `${bytes.length} bytes; at most ${bounds.bytes} are read`, { at });
  }
  const header = readHeader(bytes, at);
  checkSize(header.width, header.height, at, bounds);
  if (header.scans > bounds.scans) {
    throw new QuintetError('limit', `a progressive JPEG of ${header.scans} scans; at most ${bounds.scans} are read`, {
      at,
    });
  }
  if (header.format === 'gif') return inTurns(decodeGif(bytes, at, bounds));
  if (inBrowser()) return decodeInBrowser(bytes, header, at);
  const { decodeWithSharp } = await inNode();
  return decodeWithSharp(bytes, header, { pixels: bounds.pixels, at });
}

/** A PNG file of the picture, for drawn results. Node only. */
export const encodePng = (picture: Picture): Promise<Uint8Array> => encodePicture(picture, 'png');

/** A file of the picture. PNG and WebP keep every pixel. Node only. */
export async function encodePicture(picture: Picture, format: PictureFormat): Promise<Uint8Array> {
  const { encodeWithSharp } = await inNode();
  return encodeWithSharp(picture, format);
}

let node: Promise<typeof import('./node.js')> | undefined;

/** What pictures need of Node. Asking for a module again is quick, but not free: a picture takes milliseconds. */
function inNode(): Promise<typeof import('./node.js')> {
  node ??= import('./node.js');
  return node;
}
