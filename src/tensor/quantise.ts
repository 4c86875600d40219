/**
 * Weights as integers, in the layouts of ONNX Runtime's kernels.
 *
 * N rows of a weight, K their width, b values in a block, C = K / b blocks in a row
 */
import { QuintetError } from './errors.js';

/** Bits of a code, values that share a scale, and whether blocks have a minimum beside it. */
export interface BlockForm {
  readonly bits: 4 | 8;
  readonly block: 16 | 32;
  readonly minima: boolean;
}

/** value = scale * (code - 2^(bits-1)) + minimum. Two codes of four bits share a byte, the first in its low half. */
export interface PackedBlocks {
  /** [N, C, b*bits/8] */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [N, C] */
  readonly scales: Float32Array<ArrayBuffer>;
  /** [N, C]; where the form has them. */
  readonly minima?: Float32Array<ArrayBuffer>;
}

/** Codes i8 [K, N], of which column n times scale n is row n of the weight. */
export interface PackedColumns {
  readonly codes: Int8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Room for the blocks of so many values. */
export function emptyBlocks(values: number, { bits, block, minima }: BlockForm): PackedBlocks {
  if (values % block !== 0) throw new QuintetError('shape', `${values} values are no whole blocks of ${block}`);
  const floats = () => new Float32Array(new ArrayBuffer((4 * values) / block));
  const codes = new Uint8Array(new ArrayBuffer((values * bits) / 8));
  return { codes, scales: floats(), ...(minima ? { minima: floats() } : {}) };
}

/** Writes the code of value `i`. */
export function putCode(codes: Uint8Array, bits: 4 | 8, i: number, code: number): void {
  if (bits === 8) codes[i] = code;
  else codes[i >> 1] = (codes[i >> 1] as number) | (code << (4 * (i & 1)));
}

/** Values in blocks without minima, each code rounded to the nearest. Rows must be whole blocks. */
export function packBlocks(values: Float32Array, bits: 4 | 8, block: 16 | 32 = 32): PackedBlocks {
  const packed = emptyBlocks(values.length, { bits, block, minima: false });
  const middle = 2 ** (bits - 1);
  for (let from = 0; from < values.length; from += block) {
    const own = values.subarray(from, from + block);
    const scale = blockScale(own, middle);
    packed.scales[from / block] = scale;
    for (let i = 0; i < block; i++)
      putCode(packed.codes, bits, from + i, codeOf(own[i] as number, scale, middle) + middle);
  }
  return packed;
}

function codeOf(value: number, scale: number, middle: number): number {
  return scale === 0 ? 0 : Math.max(-middle, Math.min(middle - 1, nearestWhole(value / scale)));
}

/**
 * `Math.round` in a third of its time. They differ at most where a quotient misses a half by its last bit, which that of two f32
 * never does; either whole number is as near then.
 */
function nearestWhole(quotient: number): number {
  return Math.floor(quotient + 0.5);
}

/**
 * The scale of a block. There is one more code below zero than above, so the largest magnitude gets the lowest code; then
 * the scale is moved to where the rounded codes fit best, in the sense of least squares.
 */
function blockScale(values: Float32Array, middle: number): number {
  let extreme = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  let scale = extreme / -middle;
  for (let round = 0; round < 3 && scale !== 0; round++) {
    let [dot, norm] = [0, 0];
    for (const value of values) {
      const code = codeOf(value, scale, middle);
      dot += value * code;
      norm += code * code;
    }
    if (dot === 0) break;
    scale = dot / norm;
  }
  return Math.fround(scale);
}

/** A weight [N, K] of so many rows as columns with one scale each. */
export function packColumns(values: Float32Array, rows: number): PackedColumns {
  const width = values.length / rows;
  const codes = new Int8Array(new ArrayBuffer(values.length));
  const scales = new Float32Array(new ArrayBuffer(4 * rows));
  for (let n = 0; n < rows; n++) {
    const row = values.subarray(n * width, (n + 1) * width);
    let largest = 0;
    for (let k = 0; k < width; k++) largest = Math.max(largest, Math.abs(row[k] as number));
    const scale = Math.fround(largest / 127);
    scales[n] = scale;
    if (scale === 0) continue;
    for (let k = 0; k < width; k++) codes[k * rows + n] = nearestWhole((row[k] as number) / scale);
  }
  return { codes, scales };
}
