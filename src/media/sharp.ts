/** PNG, JPEG and WebP through sharp (libvips with libspng, mozjpeg and libwebp), with Pillow's colour conversions. Node only. */

import { availableParallelism } from 'node:os';
import sharp, { type Sharp } from 'sharp';
import { type InParts, inTurns } from '../tensor/index.js';
import { damaged, type PictureHeader } from './header.js';
import { orient } from './orient.js';
import { bytesAtOnce, type Picture } from './picture.js';

interface Reading {
  readonly depth: 'uchar' | 'ushort';
  prepare(source: Sharp): Sharp;
  /** RGB of what sharp yields; default what it is. */
  rgb?(data: Uint8Array): InParts<Uint8Array>;
}

const readings = {
  rgb: { depth: 'uchar', prepare: (source) => source.removeAlpha() },
  cmyk: {
    depth: 'uchar',
    prepare: (source) => source.pipelineColourspace('cmyk').toColourspace('cmyk'),
    rgb: rgbOfCmyk,
  },
  deepGrey: {
    depth: 'ushort',
    prepare: (source) => source.removeAlpha().toColourspace('grey16'),
    rgb: rgbOfDeepGrey,
  },
} as const satisfies Record<string, Reading>;

function readingOf({ format, channels, bits }: PictureHeader): Reading {
  if (format === 'jpeg' && channels === 4) return readings.cmyk;
  return format === 'png' && channels === 1 && bits === 16 ? readings.deepGrey : readings.rgb;
}

/** Decodes what the header describes. Throws QuintetError 'media' where the decoder fails. */
export async function decodeWithSharp(
  bytes: Uint8Array,
  header: PictureHeader,
  { pixels, at }: { readonly pixels: number; readonly at: string },
): Promise<Picture> {
  const reading = readingOf(header);
  const source = sharp(bytes, {
    failOn: 'error', // tolerates what Pillow tolerates: warnings of libjpeg about data that it can skip
    ignoreIcc: true,
    limitInputPixels: pixels,
  });
  const prepared = reading.prepare(source.timeout({ seconds: 60 })).raw({ depth: reading.depth });
  const { data, info } = await inTurn(() => prepared.toBuffer({ resolveWithObject: true })).catch((error: unknown) => {
    throw damaged(`the ${header.format} decoder failed: ${(error as Error).message.split('\n')[0]}`, at, error);
  });
  const { width, height } = info;
  if (width !== header.width || height !== header.height) {
    throw damaged(`${width} x ${height} pixels, where the header says ${header.width} x ${header.height}`, at);
  }
  const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rgb = reading.rgb ? await inTurns(reading.rgb(plain)) : plain;
  return inTurns(orient({ width, height, data: rgb }, header.orientation));
}

let free = availableParallelism();
const waiting: (() => void)[] = [];

/**
 * Runs at most as many decoders as there are cores. More would take memory, and all would end late and together, rather
 * than one after the other while those before are already worked with.
 */
async function inTurn<T>(decode: () => Promise<T>): Promise<T> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await decode();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free++;
  }
}

/** Pillow clips 16-bit grey at 255 when it converts to RGB; it does not scale. */
function* rgbOfDeepGrey(data: Uint8Array): InParts<Uint8Array> {
  const levels = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const result = new Uint8Array(levels.length * 3);
  for (let i = 0; i < levels.length; i++) {
    if (i % bytesAtOnce === bytesAtOnce - 1) yield;
    result.fill(Math.min(255, levels[i] as number), i * 3, i * 3 + 3);
  }
  return result;
}

/** Pillow's cmyk2rgb: 255 - K less the share of each ink, in rounded eight-bit arithmetic. */
function* rgbOfCmyk(data: Uint8Array): InParts<Uint8Array> {
  const result = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; to < result.length; from += 4, to += 3) {
    if (from % bytesAtOnce === bytesAtOnce - 4) yield;
    const light = 255 - (data[from + 3] as number);
    for (let c = 0; c < 3; c++) {
      const product = (data[from + c] as number) * light + 128;
      result[to + c] = light - (((product >> 8) + product) >> 8);
    }
  }
  return result;
}

/** How each kind of file is written. WebP has a form that keeps every pixel; JPEG loses what few see. */
const writings = {
  png: (source: Sharp) => source.png(),
  webp: (source: Sharp) => source.webp({ lossless: true }),
  jpeg: (source: Sharp) => source.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }),
} as const;

export type PictureFormat = keyof typeof writings;

/** A file of the picture. */
export async function encodeWithSharp(
  { width, height, data }: Picture,
  format: PictureFormat = 'png',
): Promise<Uint8Array> {
  return writings[format](sharp(data, { raw: { width, height, channels: 3 } })).toBuffer();
}
