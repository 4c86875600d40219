/**
 * The headers of picture files, read before any decoder sees a byte: format by its magic number, size, channels and
 * EXIF orientation. Whatever is not PNG, JPEG, WebP or GIF is refused here.
 *
 * Sources: PNG third edition (W3C), ITU-T T.81 annex B (JPEG), RFC 9649 (WebP), GIF89a, EXIF 2.32.
 */

import { QuintetError } from '../tensor/index.js';

export interface PictureHeader {
  readonly format: 'png' | 'jpeg' | 'webp' | 'gif';
  readonly width: number;
  readonly height: number;
  /** Bits a channel: 16 only in PNG. */
  readonly bits: number;
  /** Channels as stored: 4 is RGB with alpha in PNG and CMYK in JPEG. */
  readonly channels: number;
  /** EXIF orientation, 1 to 8; 1 is upright. */
  readonly orientation: number;
  /** Passes over the pixels: many in a progressive JPEG. */
  readonly scans: number;
}

/** Reads a picture file's header. Throws QuintetError 'media' where it is not one of the four formats, or is cut off. */
export function readHeader(bytes: Uint8Array, at: string): PictureHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (startsWith(bytes, 0, '\x89PNG\r\n\x1a\n')) return readPng(bytes, view);
    if (startsWith(bytes, 0, '\xff\xd8\xff')) return readJpeg(bytes, view);
    if (startsWith(bytes, 0, 'RIFF') && startsWith(bytes, 8, 'WEBP')) return readWebp(bytes, view);
    if (startsWith(bytes, 0, 'GIF87a') || startsWith(bytes, 0, 'GIF89a')) {
      const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
      return { format: 'gif', width, height, bits: 8, channels: 3, orientation: 1, scans: 1 };
    }
  } catch (error) {
    // A DataView throws RangeError where a field lies beyond the end.
    if (error instanceof RangeError) throw damaged('the header is cut off', at);
    if (error instanceof QuintetError) throw damaged(error.message, at);
    throw error;
  }
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new QuintetError('media', `not a PNG, JPEG, WebP or GIF picture (it begins with ${start || 'nothing'})`, {
    at,
    hint: 'Convert it to PNG or JPEG first.',
  });
}

/** The error for a file of a known format that cannot be read. */
export function damaged(what: string, at: string, cause?: unknown): QuintetError {
  const hint = 'The file is truncated or damaged: fetch or export it again.';
  return new QuintetError('media', what, { at, hint, cause });
}

function startsWith(bytes: Uint8Array, offset: number, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[offset + i] !== magic.charCodeAt(i)) return false;
  return true;
}

function readPng(bytes: Uint8Array, view: DataView): PictureHeader {
  if (!startsWith(bytes, 12, 'IHDR')) throw new QuintetError('media', 'no IHDR chunk at the start');
  const channels = [1, undefined, 3, 1, 2, undefined, 4][view.getUint8(25)];
  if (channels === undefined) throw new QuintetError('media', `colour type ${view.getUint8(25)} does not exist`);
  let orientation = 1;
  // The eXIf chunk may stand before or after the pixels. A chunk is: length, type, data, checksum.
  for (let offset = 8; offset + 12 <= bytes.length; offset += 12 + view.getUint32(offset)) {
    if (!startsWith(bytes, offset + 4, 'eXIf')) continue;
    orientation = orientationOf(bytes.subarray(offset + 8, offset + 8 + view.getUint32(offset)));
    break;
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return { format: 'png', width, height, bits: view.getUint8(24), channels, orientation, scans: 1 };
}

function readJpeg(bytes: Uint8Array, view: DataView): PictureHeader {
  let orientation = 1;
  let scans = 0;
  let frame: Pick<PictureHeader, 'width' | 'height' | 'bits' | 'channels'> | undefined;
  for (let offset = 2; ; ) {
    // Decoders skip what stands between segments. Within a scan 0xff is followed by 0 or a restart marker.
    do offset = bytes.indexOf(0xff, offset) + 1;
    while (offset > 0 && (bytes[offset] === 0xff || isBare(bytes[offset])));
    const marker = bytes[offset];
    if (offset === 0 || marker === undefined || marker === 0xd9) break;
    const length = offset + 3 > bytes.length ? 2 : view.getUint16(offset + 1);
    if (marker === 0xda) scans++;
    if (marker === 0xe1 && startsWith(bytes, offset + 3, 'Exif\0\0') && orientation === 1) {
      orientation = orientationOf(bytes.subarray(offset + 9, offset + 1 + length));
    }
    // Frame headers are C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [view.getUint16(offset + 4), view.getUint16(offset + 6)];
      frame ??= { width, height, bits: view.getUint8(offset + 3), channels: view.getUint8(offset + 8) };
    }
    offset += 1 + Math.max(2, length);
  }
  if (frame === undefined) throw new QuintetError('media', 'no frame header');
  return { format: 'jpeg', ...frame, orientation, scans };
}

/** Markers without content: the restart markers, SOI, and those below C0, whose content, if any, is looked through. */
function isBare(marker: number | undefined): boolean {
  return marker !== undefined && (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8));
}

function readWebp(bytes: Uint8Array, view: DataView): PictureHeader {
  const of = (width: number, height: number, orientation = 1): PictureHeader => {
    return { format: 'webp', width, height, bits: 8, channels: 4, orientation, scans: 1 };
  };
  if (startsWith(bytes, 12, 'VP8 ')) return of(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
  if (startsWith(bytes, 12, 'VP8L')) {
    const sizes = view.getUint32(21, true); // 14 bits each, less one
    return of((sizes & 0x3fff) + 1, ((sizes >>> 14) & 0x3fff) + 1);
  }
  if (!startsWith(bytes, 12, 'VP8X')) throw new QuintetError('media', 'no VP8, VP8L or VP8X chunk at the start');
  let orientation = 1;
  // A chunk is: type, length, data, and a byte of padding where the length is odd.
  for (let offset = 12; offset + 8 <= bytes.length; ) {
    const length = view.getUint32(offset + 4, true);
    if (startsWith(bytes, offset, 'EXIF')) {
      const exif = bytes.subarray(offset + 8, offset + 8 + length);
      orientation = orientationOf(startsWith(exif, 0, 'Exif\0\0') ? exif.subarray(6) : exif);
      break;
    }
    offset += 8 + length + (length % 2);
  }
  const less1 = (offset: number): number => view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16);
  return of(less1(24) + 1, less1(27) + 1, orientation);
}

/** Tag 0x0112 of the first directory of a TIFF block; 1 where there is none or the block makes no sense. */
function orientationOf(tiff: Uint8Array): number {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = startsWith(tiff, 0, 'II');
  if (tiff.length < 8 || (!little && !startsWith(tiff, 0, 'MM'))) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + i * 12;
    if (entry + 12 > tiff.length) return 1;
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
