/**
 * Blocks of quantised weights: their integers, and the values that these stand for.
 *
 * Every type is read as codes of a few bits with a scale, and with some types a minimum, for each group of them:
 * value = scale * (code - zero) + minimum, where zero is 0 beside a minimum and otherwise the middle of the codes. Scales
 * and minima are f16 or products of f16 with a few bits; with the codes they fit into the 24 bits of an f32 (Q6_K and Q8_K
 * need one rounding), so float64 arithmetic rounded once on storing gives bit for bit what ggml's reference gives
 * (`dequantize_row_*` in ggml-quants.c).
 */
import { type BlockForm, emptyBlocks, f16ToF32, type PackedBlocks, putCode, QuintetError } from '../tensor/index.js';
import { type QuantisedType, quantisedTypes } from './gguf-types.js';

/** One block taken apart: its codes, and a scale and a minimum for each group of them. */
interface Block {
  readonly codes: Uint8Array;
  readonly scales: Float64Array;
  readonly minima: Float64Array;
}

interface Layout {
  /** Values that share a scale. */
  readonly group: 16 | 32;
  /** Bits of a code. */
  readonly bits: number;
  /** Whether groups have minima; where they have none, the middle one of the codes stands for 0. */
  readonly minima: boolean;
  /** Takes the block of bytes at `from` apart. */
  unpack(bytes: Uint8Array, from: number, block: Block): void;
}

/** The values of whole blocks of one type. */
export function dequantise(type: QuantisedType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { group, bits, minima: shifted } = layouts[type];
  const zero = shifted ? 0 : middleOf(bits);
  const out = new Float32Array(new ArrayBuffer(4 * countOf(type, bytes)));
  eachBlock(type, bytes, ({ codes, scales, minima }, to) => {
    for (let at = 0, i = 0; i < codes.length; at++) {
      const [scale, minimum] = [scales[at] as number, minima[at] as number];
      for (const end = i + group; i < end; i++) {
        const value = scale * ((codes[i] as number) - zero);
        // A minimum of 0 would make 0 of -0.
        out[to + i] = shifted ? value + minimum : value;
      }
    }
  });
  return out;
}

/** The form that holds the values of a type exactly, but for the rounding of scales and minima to f32. */
export function blockFormOf(type: QuantisedType): BlockForm {
  const { group, bits, minima } = layouts[type];
  return { bits: bits > 4 ? 8 : 4, block: group, minima };
}

/** The middle one of the codes of so many bits. */
const middleOf = (bits: number): number => 2 ** (bits - 1);

/** The integers of whole blocks in the layout of the engine, with the scales and minima that they have. */
export function repack(type: QuantisedType, bytes: Uint8Array): PackedBlocks {
  const form = blockFormOf(type);
  const { group, bits } = layouts[type];
  const packed = emptyBlocks(countOf(type, bytes), form);
  // The middle of the type's codes becomes that of the engine's, which products count from: what they are multiplied with is
  // rounded, and its errors grow with how far codes are from there. The minimum takes up what the middle stands for.
  const middle = middleOf(bits);
  const shift = middleOf(form.bits) - middle;
  eachBlock(type, bytes, ({ codes, scales, minima }, to) => {
    for (let i = 0; i < codes.length; i++) putCode(packed.codes, form.bits, to + i, (codes[i] as number) + shift);
    for (let i = 0; i < codes.length / group; i++) {
      const scale = scales[i] as number;
      packed.scales[to / group + i] = scale;
      if (packed.minima) packed.minima[to / group + i] = (minima[i] as number) + middle * scale;
    }
  });
  return packed;
}

/** Calls `visit` with each block taken apart, which is valid until it returns, and the place of its first value. */
function eachBlock(type: QuantisedType, bytes: Uint8Array, visit: (block: Block, to: number) => void): void {
  const { values, bytes: length } = quantisedTypes[type];
  const { group, unpack } = layouts[type];
  const floats = () => new Float64Array(values / group);
  const block = { codes: new Uint8Array(values), scales: floats(), minima: floats() };
  for (let i = 0; i < bytes.byteLength / length; i++) {
    unpack(bytes, i * length, block);
    visit(block, i * values);
  }
}

function countOf(type: QuantisedType, bytes: Uint8Array): number {
  const { values, bytes: length } = quantisedTypes[type];
  const count = bytes.byteLength / length;
  if (Number.isInteger(count)) return count * values;
  throw new QuintetError('format', `${bytes.byteLength} bytes are no whole blocks of ${type}, which take ${length}`);
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

/** The first four bits of 16 values and then those of the next 16, a byte a pair. */
function fourBits(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < 16; i++) {
    const pair = byte(bytes, at + i);
    codes[i] = pair & 15;
    codes[i + 16] = pair >> 4;
  }
}

/** The same with a fifth bit of each value in the four bytes before. */
function fiveBits(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  fourBits(bytes, at + 4, codes);
  for (let i = 0; i < 32; i++) {
    const high = (byte(bytes, at + (i >> 3)) >> (i & 7)) & 1;
    codes[i] = (codes[i] as number) | (high << 4);
  }
}

const q4_0: Layout = {
  ...{ group: 32, bits: 4, minima: false },
  unpack(bytes, from, { codes, scales }) {
    scales[0] = half(bytes, from);
    fourBits(bytes, from + 2, codes);
  },
};

const q4_1: Layout = {
  ...{ group: 32, bits: 4, minima: true },
  unpack(bytes, from, { codes, scales, minima }) {
    scales[0] = half(bytes, from);
    minima[0] = half(bytes, from + 2);
    fourBits(bytes, from + 4, codes);
  },
};

const q5_0: Layout = {
  ...{ group: 32, bits: 5, minima: false },
  unpack(bytes, from, { codes, scales }) {
    scales[0] = half(bytes, from);
    fiveBits(bytes, from + 2, codes);
  },
};

const q5_1: Layout = {
  ...{ group: 32, bits: 5, minima: true },
  unpack(bytes, from, { codes, scales, minima }) {
    scales[0] = half(bytes, from);
    minima[0] = half(bytes, from + 2);
    fiveBits(bytes, from + 4, codes);
  },
};

/** Signed bytes, as codes that count from -128. */
function signedBytes(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < codes.length; i++) codes[i] = byte(bytes, at + i) ^ 128;
}

const q8_0: Layout = {
  ...{ group: 32, bits: 8, minima: false },
  unpack(bytes, from, { codes, scales }) {
    scales[0] = half(bytes, from);
    signedBytes(bytes, from + 2, codes);
  },
};

/** Where the 16 two-bit quants of a group begin: 32 bytes hold 128 values, four planes of 32. */
function twoBitGroup(start: number, group: number): number {
  return start + 32 * (group >> 3) + 16 * (group & 1);
}

function twoBitShift(group: number): number {
  return 2 * ((group >> 1) & 3);
}

/** 16 scales and minima of 4 bits, 256 quants of 2 bits, the scale and the minimum of the whole. */
const q2_K: Layout = {
  ...{ group: 16, bits: 2, minima: true },
  unpack(bytes, from, { codes, scales, minima }) {
    const [scale, minimum] = [half(bytes, from + 80), half(bytes, from + 82)];
    for (let group = 0; group < 16; group++) {
      const packed = byte(bytes, from + group);
      scales[group] = scale * (packed & 15);
      minima[group] = -minimum * (packed >> 4);
      const quants = twoBitGroup(from + 16, group);
      for (let i = 0; i < 16; i++) codes[16 * group + i] = (byte(bytes, quants + i) >> twoBitShift(group)) & 3;
    }
  },
};

/** 256 high bits, 256 quants of 2 bits, 16 scales of 6 bits in 12 bytes, the scale of the whole. */
const q3_K: Layout = {
  ...{ group: 16, bits: 3, minima: false },
  unpack(bytes, from, { codes, scales }) {
    const scale = half(bytes, from + 108);
    const packed = from + 96;
    for (let group = 0; group < 16; group++) {
      const low = (byte(bytes, packed + (group & 7)) >> (group < 8 ? 0 : 4)) & 15;
      const high = (byte(bytes, packed + 8 + (group & 3)) >> (2 * (group >> 2))) & 3;
      scales[group] = scale * ((low | (high << 4)) - 32);
      const quants = twoBitGroup(from + 32, group);
      const masks = from + 16 * (group & 1);
      for (let i = 0; i < 16; i++) {
        const top = (byte(bytes, masks + i) >> (group >> 1)) & 1;
        codes[16 * group + i] = ((byte(bytes, quants + i) >> twoBitShift(group)) & 3) | (top << 2);
      }
    }
  },
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

/** Scales and minima of 8 groups, and the four low bits of their codes, which lie at `quants`. */
function sixBitGroups(bytes: Uint8Array, from: number, quants: number, { codes, scales, minima }: Block): void {
  const [scale, minimum] = [half(bytes, from), half(bytes, from + 2)];
  for (let group = 0; group < 8; group++) {
    scales[group] = scale * sixBitScale(bytes, from + 4, group);
    minima[group] = -minimum * sixBitMinimum(bytes, from + 4, group);
    const [low, shift] = [quants + 32 * (group >> 1), 4 * (group & 1)];
    for (let i = 0; i < 32; i++) codes[32 * group + i] = (byte(bytes, low + i) >> shift) & 15;
  }
}

const q4_K: Layout = {
  ...{ group: 32, bits: 4, minima: true },
  unpack: (bytes, from, block) => sixBitGroups(bytes, from, from + 16, block),
};

const q5_K: Layout = {
  ...{ group: 32, bits: 5, minima: true },
  unpack(bytes, from, block) {
    sixBitGroups(bytes, from, from + 48, block);
    const { codes } = block;
    for (let i = 0; i < 256; i++) {
      const high = (byte(bytes, from + 16 + (i & 31)) >> (i >> 5)) & 1;
      codes[i] = (codes[i] as number) | (high << 4);
    }
  },
};

/** 256 quants of 6 bits as 4 low (128 bytes) and 2 high (64 bytes), 16 signed scales, the scale of the whole. */
const q6_K: Layout = {
  ...{ group: 16, bits: 6, minima: false },
  unpack(bytes, from, { codes, scales }) {
    const scale = half(bytes, from + 208);
    for (let group = 0; group < 16; group++) {
      scales[group] = scale * signed(bytes, from + 192 + group);
      // Half of the block, then one of four planes of 32, then half of the plane.
      const plane = (group >> 1) & 3;
      const low = from + 64 * (group >> 3) + 32 * (plane & 1) + 16 * (group & 1);
      const high = twoBitGroup(from + 128, group);
      for (let i = 0; i < 16; i++) {
        const top = (byte(bytes, high + i) >> (2 * plane)) & 3;
        codes[16 * group + i] = ((byte(bytes, low + i) >> (4 * (plane >> 1))) & 15) | (top << 4);
      }
    }
  },
};

const floatBytes = new DataView(new ArrayBuffer(4));

/** One f32 scale for 256 values; a group of 32 has it as well. */
const q8_K: Layout = {
  ...{ group: 32, bits: 8, minima: false },
  unpack(bytes, from, { codes, scales }) {
    for (let i = 0; i < 4; i++) floatBytes.setUint8(i, byte(bytes, from + i));
    scales.fill(floatBytes.getFloat32(0, true));
    signedBytes(bytes, from + 4, codes);
  },
};

const layouts: Readonly<Record<QuantisedType, Layout>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q2_K: q2_K,
  Q3_K: q3_K,
  Q4_K: q4_K,
  Q5_K: q5_K,
  Q6_K: q6_K,
  Q8_K: q8_K,
};
