/**
 * Picture files into upright RGB, equal to Pillow's `ImageOps.exif_transpose(image).convert('RGB')`: the EXIF
 * orientation is applied, alpha is dropped (not blended), an animation is its first frame, colour profiles are ignored.
 *
 * The size is checked before a decoder runs. In Node the decoder is sharp, in a browser it is the browser's own, whose
 * levels may differ by rounding.
 */

import { QuintetError } from '../tensor/index.js';
import { decodeGif } from './gif.js';
import { damaged, type PictureHeader, readHeader } from './header.js';
import { orient } from './orient.js';
import { checkSize, type Picture, type PictureLimits, pictureLimits } from './picture.js';

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
  if (header.format === 'gif') return decodeGif(bytes, at);
  return inBrowser() ? decodeInBrowser(bytes, header, at) : decodeWithSharp(bytes, header, bounds, at);
}

function inBrowser(): boolean {
  return typeof createImageBitmap === 'function' && typeof OffscreenCanvas === 'function';
}

async function decodeWithSharp(
  bytes: Uint8Array,
  header: PictureHeader,
  limits: PictureLimits,
  at: string,
): Promise<Picture> {
  const { default: sharp } = await import('sharp');
  // 'error' tolerates what Pillow tolerates: warnings of libjpeg about data that it can skip.
  const source = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: limits.pixels }).timeout({
    seconds: 60,
  });
  const isCmyk = header.format === 'jpeg' && header.channels === 4;
  const isDeepGrey = header.format === 'png' && header.channels === 1 && header.bits === 16;
  if (isCmyk) source.pipelineColourspace('cmyk').toColourspace('cmyk');
  else source.removeAlpha();
  if (isDeepGrey) source.toColourspace('grey16');
  const { data, info } = await source
    .raw({ depth: isDeepGrey ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => {
      throw damaged(`the ${header.format} decoder failed: ${firstLine(error)}`, at, error);
    });
  if (info.width !== header.width || info.height !== header.height) {
    throw damaged(
      `${info.width} x ${info.height} pixels, where the header says ${header.width} x ${header.height}`,
      at,
    );
  }
  const size = { width: info.width, height: info.height };
  if (isCmyk) return orient({ ...size, data: rgbOfCmyk(data) }, header.orientation);
  if (isDeepGrey) {
    const levels = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    return orient({ ...size, data: rgbOfDeepGrey(levels) }, header.orientation);
  }
  return orient({ ...size, data }, header.orientation);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;
}

/** Pillow clips 16-bit grey at 255 when it converts to RGB; it does not scale. */
function rgbOfDeepGrey(levels: Uint16Array): Uint8Array {
  const result = new Uint8Array(levels.length * 3);
  for (let i = 0; i < levels.length; i++) result.fill(Math.min(255, levels[i] as number), i * 3, i * 3 + 3);
  return result;
}

/** Pillow's cmyk2rgb: 255 - K less the share of each ink, in rounded eight-bit arithmetic. */
function rgbOfCmyk(data: Uint8Array): Uint8Array {
  const result = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; to < result.length; from += 4, to += 3) {
    const light = 255 - (data[from + 3] as number);
    for (let c = 0; c < 3; c++) {
      const product = (data[from + c] as number) * light + 128;
      result[to + c] = light - (((product >> 8) + product) >> 8);
    }
  }
  return result;
}

async function decodeInBrowser(bytes: Uint8Array, header: PictureHeader, at: string): Promise<Picture> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: `image/${header.format}` });
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: 'none',
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
  }).catch((error: unknown) => {
    throw damaged(`the browser cannot decode this ${header.format}: ${firstLine(error)}`, at, error);
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new QuintetError('unsupported', 'this browser has no 2d canvas to read pixels from', { at });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: withoutAlpha(context.getImageData(0, 0, width, height).data) };
}

function withoutAlpha(rgba: Uint8ClampedArray): Uint8Array {
  const result = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; to < result.length; from += 4, to += 3) {
    for (let c = 0; c < 3; c++) result[to + c] = rgba[from + c] as number;
  }
  return result;
}

/** A PNG file of the picture. Node only (sharp). */
export async function encodePng({ width, height, data }: Picture): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
