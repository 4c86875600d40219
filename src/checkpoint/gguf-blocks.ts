/**
 * The values of quantised blocks as f32, bit for bit those of ggml's reference (`dequantize_row_*` in ggml-quants.c).
 *
 * Scales and minima are f16, quants of a few bits; their products fit into the 24 bits of an f32 (Q6_K and Q8_K need one
 * rounding), so float64 arithmetic rounded once on storing gives what ggml's f32 arithmetic gives.
 */
import { f16ToF32, QuintetError } from '../tensor/index.js';
import { type QuantisedType, quantisedTypes } from './gguf-types.js';

/** Unpacks the block of bytes at `from` into values at `to`. */
type Unpack = (bytes: Uint8Array, from: number, out: Float32Array, to: number) => void;

/** The values of whole blocks of one type. */
export function dequantise(type: QuantisedType, blocks: Uint8Array): Float32Array<ArrayBuffer> {
  const { values, bytes } = quantisedTypes[type];
  const count = blocks.byteLength / bytes;
  if (!Number.isInteger(count)) {
    throw new QuintetError('format', `${blocks.byteLength} bytes are no whole blocks of ${type}, which take ${bytes}`);
  }
  const out = new Float32Array(new ArrayBuffer(count * values * 4));
  const unpack = unpackers[type];
  for (let i = 0; i < count; i++) unpack(blocks, i * bytes, out, i * values);
  return out;
}

/** All f16 values by their bits: 256 kB that make a scale one look-up. */
let halves: Float32Array | undefined;

function half(bytes: Uint8Array, at: number): number {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToF32(bits));
  return halves[byte(bytes, at) | (byte(bytes, at + 1) << 8)] as number;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function signed(bytes: Uint8Array, at: number): number {
  return (byte(bytes, at) << 24) >> 24;
}

const unpackQ4_0: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  for (let i = 0; i < 16; i++) {
    const pair = byte(bytes, from + 2 + i);
    out[to + i] = scale * ((pair & 15) - 8);
    out[to + i + 16] = scale * ((pair >> 4) - 8);
  }
};

const unpackQ4_1: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  const minimum = half(bytes, from + 2);
  for (let i = 0; i < 16; i++) {
    const pair = byte(bytes, from + 4 + i);
    out[to + i] = scale * (pair & 15) + minimum;
    out[to + i + 16] = scale * (pair >> 4) + minimum;
  }
};

/** The fifth bit of each of 32 values. */
function highBits(bytes: Uint8Array, at: number): number {
  return byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24);
}

const unpackQ5_0: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  const high = highBits(bytes, from + 2);
  for (let i = 0; i < 16; i++) {
    const pair = byte(bytes, from + 6 + i);
    out[to + i] = scale * (((pair & 15) | (((high >>> i) & 1) << 4)) - 16);
    out[to + i + 16] = scale * (((pair >> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16);
  }
};

const unpackQ5_1: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  const minimum = half(bytes, from + 2);
  const high = highBits(bytes, from + 4);
  for (let i = 0; i < 16; i++) {
    const pair = byte(bytes, from + 8 + i);
    out[to + i] = scale * ((pair & 15) | (((high >>> i) & 1) << 4)) + minimum;
    out[to + i + 16] = scale * ((pair >> 4) | (((high >>> (i + 16)) & 1) << 4)) + minimum;
  }
};

const unpackQ8_0: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  for (let i = 0; i < 32; i++) out[to + i] = scale * signed(bytes, from + 2 + i);
};

/** 16 scales and minima of 4 bits, 256 quants of 2 bits, the scale and the minimum of the whole. */
const unpackQ2_K: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from + 80);
  const minimum = half(bytes, from + 82);
  for (let group = 0; group < 16; group++) {
    const packed = byte(bytes, from + group);
    const groupScale = scale * (packed & 15);
    const groupMinimum = minimum * (packed >> 4);
    const quants = twoBitGroup(from + 16, group);
    const shift = twoBitShift(group);
    for (let i = 0; i < 16; i++) {
      out[to + 16 * group + i] = groupScale * ((byte(bytes, quants + i) >> shift) & 3) - groupMinimum;
    }
  }
};

/** Where the 16 two-bit quants of a group begin: 32 bytes hold 128 values, four planes of 32. */
function twoBitGroup(start: number, group: number): number {
  return start + 32 * (group >> 3) + 16 * (group & 1);
}

function twoBitShift(group: number): number {
  return 2 * ((group >> 1) & 3);
}

/** 256 high bits, 256 quants of 2 bits, 16 scales of 6 bits in 12 bytes, the scale of the whole. */
const unpackQ3_K: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from + 108);
  const scales = from + 96;
  for (let group = 0; group < 16; group++) {
    const low = (byte(bytes, scales + (group & 7)) >> (group < 8 ? 0 : 4)) & 15;
    const high = (byte(bytes, scales + 8 + (group & 3)) >> (2 * (group >> 2))) & 3;
    const groupScale = scale * ((low | (high << 4)) - 32);
    const quants = twoBitGroup(from + 32, group);
    const shift = twoBitShift(group);
    const masks = from + 16 * (group & 1);
    for (let i = 0; i < 16; i++) {
      // The bit says that 4 is not subtracted.
      const missing = ((byte(bytes, masks + i) >> (group >> 1)) & 1) ^ 1;
      out[to + 16 * group + i] = groupScale * (((byte(bytes, quants + i) >> shift) & 3) - 4 * missing);
    }
  }
};

/** The 6-bit scale of one of 8 groups of Q4_K and Q5_K: 12 bytes hold 8 scales and 8 minima. */
function sixBitScale(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return byte(bytes, at + group) & 63;
  return (byte(bytes, at + group + 4) & 15) | ((byte(bytes, at + group - 4) >> 6) << 4);
}

function sixBitMinimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return byte(bytes, at + group + 4) & 63;
  return (byte(bytes, at + group + 4) >> 4) | ((byte(bytes, at + group) >> 6) << 4);
}

const unpackQ4_K: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  const minimum = half(bytes, from + 2);
  for (let group = 0; group < 8; group++) {
    const groupScale = scale * sixBitScale(bytes, from + 4, group);
    const groupMinimum = minimum * sixBitMinimum(bytes, from + 4, group);
    const quants = from + 16 + 32 * (group >> 1);
    const shift = 4 * (group & 1);
    for (let i = 0; i < 32; i++) {
      out[to + 32 * group + i] = groupScale * ((byte(bytes, quants + i) >> shift) & 15) - groupMinimum;
    }
  }
};

const unpackQ5_K: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from);
  const minimum = half(bytes, from + 2);
  for (let group = 0; group < 8; group++) {
    const groupScale = scale * sixBitScale(bytes, from + 4, group);
    const groupMinimum = minimum * sixBitMinimum(bytes, from + 4, group);
    const quants = from + 48 + 32 * (group >> 1);
    const shift = 4 * (group & 1);
    for (let i = 0; i < 32; i++) {
      const high = (byte(bytes, from + 16 + i) >> group) & 1;
      out[to + 32 * group + i] = groupScale * (((byte(bytes, quants + i) >> shift) & 15) | (high << 4)) - groupMinimum;
    }
  }
};

/** 256 quants of 6 bits as 4 low (128 bytes) and 2 high (64 bytes), 16 signed scales, the scale of the whole. */
const unpackQ6_K: Unpack = (bytes, from, out, to) => {
  const scale = half(bytes, from + 208);
  for (let group = 0; group < 16; group++) {
    const groupScale = scale * signed(bytes, from + 192 + group);
    // Half of the block, then one of four planes of 32, then half of the plane.
    const plane = (group >> 1) & 3;
    const low = from + 64 * (group >> 3) + 32 * (plane & 1) + 16 * (group & 1);
    const high = twoBitGroup(from + 128, group);
    for (let i = 0; i < 16; i++) {
      const quant =
        ((byte(bytes, low + i) >> (4 * (plane >> 1))) & 15) | (((byte(bytes, high + i) >> (2 * plane)) & 3) << 4);
      out[to + 16 * group + i] = groupScale * (quant - 32);
    }
  }
};

const floatBytes = new DataView(new ArrayBuffer(4));

const unpackQ8_K: Unpack = (bytes, from, out, to) => {
  for (let i = 0; i < 4; i++) floatBytes.setUint8(i, byte(bytes, from + i));
  const scale = floatBytes.getFloat32(0, true);
  for (let i = 0; i < 256; i++) out[to + i] = scale * signed(bytes, from + 4 + i);
};

const unpackers: Readonly<Record<QuantisedType, Unpack>> = {
  Q4_0: unpackQ4_0,
  Q4_1: unpackQ4_1,
  Q5_0: unpackQ5_0,
  Q5_1: unpackQ5_1,
  Q8_0: unpackQ8_0,
  Q2_K: unpackQ2_K,
  Q3_K: unpackQ3_K,
  Q4_K: unpackQ4_K,
  Q5_K: unpackQ5_K,
  Q6_K: unpackQ6_K,
  Q8_K: unpackQ8_K,
};
