/**
 * The first frame of a GIF as RGB. Own code, because a decoder that yields RGBA loses the colours of transparent
 * pixels, which Pillow's `convert('RGB')` keeps.
 *
 * Source: GIF89a specification (CompuServe, 1990), appendix F for the LZW variant; Pillow's GifImagePlugin and GifDecode.c
 * for what is drawn where the frame does not reach.
 */

import { type InParts, portions } from '../tensor/index.js';
import { damaged } from './header.js';
import { bytesAtOnce, checkSize, type Picture, type PictureLimits } from './picture.js';

interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly interlaced: boolean;
  /** RGB triples; undefined where the file has none: indices are grey levels then. */
  readonly palette: Uint8Array | undefined;
  /** The index that stands where the frame does not reach. */
  readonly background: number;
  readonly codeBits: number;
  /** The LZW stream without its block lengths. */
  readonly stream: Uint8Array;
}

/** Decodes the first frame. Throws QuintetError 'media' where it is missing or damaged. */
export function* decodeGif(bytes: Uint8Array, at: string, limits?: PictureLimits): InParts<Picture> {
  const screen = { width: u16(bytes, 6), height: u16(bytes, 8) };
  const frame = readFrame(bytes, at);
  // A frame that sticks out enlarges the picture.
  const width = Math.max(screen.width, frame.left + frame.width);
  const height = Math.max(screen.height, frame.top + frame.height);
  checkSize(width, height, at, limits);
  const indices = new Uint8Array(width * height).fill(frame.background);
  const pixels = yield* unpack(frame, at);
  const rows = frame.interlaced ? interlacedRows(frame.height) : Array.from({ length: frame.height }, (_, y) => y);
  rows.forEach((y, i) => {
    const row = pixels.subarray(i * frame.width, (i + 1) * frame.width);
    indices.set(row, (frame.top + y) * width + frame.left);
  });
  const data = new Uint8Array(indices.length * 3);
  for (let i = 0; i < indices.length; i++) {
    if (i % bytesAtOnce === bytesAtOnce - 1) yield;
    const index = indices[i] as number;
    for (let c = 0; c < 3; c++) data[i * 3 + c] = frame.palette ? (frame.palette[index * 3 + c] ?? 0) : index;
  }
  return { width, height, data };
}

function u16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
}

function readFrame(bytes: Uint8Array, at: string): Frame {
  const flags = bytes[10] ?? 0;
  let offset = 13;
  const readPalette = (packed: number): Uint8Array | undefined => {
    if (!(packed & 0x80)) return undefined;
    const palette = bytes.subarray(offset, offset + (3 << ((packed & 7) + 1)));
    offset += 3 << ((packed & 7) + 1);
    return palette;
  };
  const global = readPalette(flags);
  let background = 0;
  while (offset < bytes.length) {
    const introducer = bytes[offset++];
    if (introducer === 0x21) {
      // A graphic control extension before the frame may name a transparent index.
      if (bytes[offset] === 0xf9 && (bytes[offset + 2] ?? 0) & 1) background = bytes[offset + 5] ?? 0;
      offset = skipBlocks(bytes, offset + 1);
    } else if (introducer === 0x2c) {
      const [left, top, width, height] = [0, 2, 4, 6].map((i) => u16(bytes, offset + i)) as [
        number,
        number,
        number,
        number,
      ];
      const packed = bytes[offset + 8] ?? 0;
      offset += 9;
      const palette = readPalette(packed) ?? global;
      const codeBits = bytes[offset++] ?? 0;
      if (codeBits < 1 || codeBits > 8) throw damaged(`LZW codes of ${codeBits} bits`, at);
      const stream = joinBlocks(bytes, offset);
      return { left, top, width, height, interlaced: (packed & 0x40) !== 0, palette, background, codeBits, stream };
    } else if (introducer === 0x3b) break;
  }
  throw damaged('no frame in this GIF', at);
}

/** The offset behind a chain of blocks, each a length and as many bytes, up to an empty one. */
function skipBlocks(bytes: Uint8Array, offset: number): number {
  let next = offset;
  while (next < bytes.length && bytes[next] !== 0) next += 1 + (bytes[next] as number);
  return next + 1;
}

function joinBlocks(bytes: Uint8Array, offset: number): Uint8Array {
  const stream = new Uint8Array(Math.max(0, skipBlocks(bytes, offset) - offset));
  let size = 0;
  for (let next = offset; next < bytes.length && bytes[next] !== 0; next += 1 + (bytes[next] as number)) {
    const block = bytes.subarray(next + 1, next + 1 + (bytes[next] as number));
    stream.set(block, size);
    size += block.length;
  }
  return stream.subarray(0, size);
}

/** The frame's indices in the order of the file. [height, width] */
function* unpack({ width, height, codeBits, stream }: Frame, at: string): InParts<Uint8Array> {
  const result = new Uint8Array(width * height);
  const clear = 1 << codeBits;
  const end = clear + 1;
  // A code stands for the string of its prefix code and one more index.
  const prefixes = new Uint16Array(4096);
  const suffixes = new Uint8Array(4096);
  const lengths = new Uint16Array(4096).fill(1, 0, clear);
  for (let i = 0; i < clear; i++) suffixes[i] = i;
  let [bits, held, bitCount] = [codeBits + 1, 0, 0];
  let [known, previous] = [end + 1, -1];
  let size = 0;
  const isPartDone = portions(bytesAtOnce);
  for (let i = 0; size < result.length; ) {
    for (; bitCount < bits && i < stream.length; bitCount += 8) held |= (stream[i++] as number) << bitCount;
    if (bitCount < bits) break;
    const code = held & ((1 << bits) - 1);
    held >>>= bits;
    bitCount -= bits;
    if (code === end) break;
    if (code === clear) {
      [bits, known, previous] = [codeBits + 1, end + 1, -1];
      continue;
    }
    if (code > known || (code === known && previous < 0)) throw damaged('an LZW code that is not defined yet', at);
    // The code being defined just now is the previous string followed by its own first index.
    const isNew = code === known;
    const base = isNew ? previous : code;
    const length = lengths[base] as number;
    let walk = base;
    for (let back = length - 1; back >= 0; back--) {
      if (size + back < result.length) result[size + back] = suffixes[walk] as number;
      if (back > 0) walk = prefixes[walk] as number;
    }
    const first = suffixes[walk] as number;
    if (isNew && size + length < result.length) result[size + length] = first;
    const added = length + (isNew ? 1 : 0);
    size += added;
    if (isPartDone(added)) yield;
    if (previous >= 0 && known < 4096) {
      prefixes[known] = previous;
      suffixes[known] = first;
      lengths[known] = (lengths[previous] as number) + 1;
      known++;
      if (known === 1 << bits && bits < 12) bits++;
    }
    previous = code;
  }
  if (size < result.length) throw damaged(`the pixels end after ${size} of ${result.length}`, at);
  return result;
}

function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [start, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const) {
    for (let y = start; y < height; y += step) rows.push(y);
  }
  return rows;
}
