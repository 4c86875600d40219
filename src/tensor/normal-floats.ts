/**
 * NF4: four bits a number, in blocks that share their largest magnitude, which is itself rounded to eight bits (double
 * quantisation). Codes, tables and roundings are those of bitsandbytes.
 *
 * Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", 2023, https://arxiv.org/abs/2305.14314, section 3 and
 * appendix E
 *
 * N values of a weight, row by row, whatever its shape; C = N / 64 blocks of them, rounded up
 */

/** What the sixteen codes stand for: quantiles of the normal distribution, scaled to -1 to 1. */
export const nf4: readonly number[] = [
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
  ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
  ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
];

export interface PackedNormalFloats {
  /** [C, 32]: two a byte, the first in its high half; behind the last value what stands for 0. */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [C], the largest of each block, as eight bits give it back. */
  readonly magnitudes: Float32Array<ArrayBuffer>;
}

/** Numbers that share a magnitude, and magnitudes that share a scale. */
export const normalFloatBlock = 64;
const outerBlock = 256;

/** Values rounded to NF4 with double quantisation; `again`: values that were, which stay as they are. */
export function packNormalFloats(values: Float32Array, { again = false } = {}): PackedNormalFloats {
  const { codes, largest } = inBlocks(values, normalFloatBlock, nf4);
  const packed = new Uint8Array(new ArrayBuffer((largest.length * normalFloatBlock) / 2)).fill(17 * nf4.indexOf(0));
  for (const [i, code] of codes.entries()) {
    const byte = packed[i >> 1] as number;
    packed[i >> 1] = i & 1 ? (byte & 240) | code : (byte & 15) | (code << 4);
  }
  return { codes: packed, magnitudes: again ? largest : rounded(largest) };
}

/** Magnitudes less their mean, rounded to eight bits in blocks, and back. */
function rounded(magnitudes: Float32Array): Float32Array<ArrayBuffer> {
  const offset = Math.fround(magnitudes.reduce((sum, value) => sum + value, 0) / magnitudes.length);
  const { codes, largest } = inBlocks(
    magnitudes.map((value) => value - offset),
    outerBlock,
    eightBits,
  );
  return Float32Array.from(codes, (code, i) => {
    const scale = largest[Math.floor(i / outerBlock)] as number;
    return Math.fround((eightBits[code] as number) * scale) + offset;
  });
}

/** Of each value over the largest magnitude of its block the nearest of ascending `numbers`, and those magnitudes. */
function inBlocks(values: Float32Array, block: number, numbers: readonly number[]) {
  const bounds = numbers.slice(1).map((number, i) => Math.fround(number + (numbers[i] as number)) / 2);
  const codes = new Uint8Array(values.length);
  const largest = new Float32Array(new ArrayBuffer(4 * Math.ceil(values.length / block)));
  for (let from = 0; from < values.length; from += block) {
    const own = values.subarray(from, from + block);
    const most = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    largest[from / block] = most;
    const inverse = Math.fround(1 / Math.max(most, 1e-38));
    for (const [i, value] of own.entries()) codes[from + i] = countBelow(Math.fround(value * inverse), bounds);
  }
  return { codes, largest };
}

/** How many of the ascending bounds lie below a value. */
function countBelow(value: number, bounds: readonly number[]): number {
  let [low, high] = [0, bounds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value > (bounds[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The 256 numbers that eight bits stand for: seven decades, in each of which twice as many steps as in the one below, of either
 * sign, and 0 and 1. Dettmers, "8-Bit Approximations for Parallelism in Deep Learning", 2015, https://arxiv.org/abs/1511.04561
 */
const eightBits: readonly number[] = [0, 1, ...Array.from({ length: 7 }, (_, i) => decade(i)).flat()].sort(
  (a, b) => a - b,
);

/** The middles of 2^i equal steps between a tenth of 10^(i-6) and itself, both signs, rounded as PyTorch's linspace is. */
function decade(i: number): number[] {
  const [steps, first] = [2 ** i, Math.fround(0.1)];
  const step = Math.fround(Math.fround(1 - first) / steps);
  const end = (k: number): number => Math.fround(2 * k < steps ? first + step * k : 1 - step * (steps - k));
  return Array.from({ length: steps }, (_, k) => {
    const middle = Math.fround(end(k) + end(k + 1)) / 2;
    return Math.fround(Math.fround(10 ** (i - 6)) * middle);
  }).flatMap((value) => [value, -value]);
}
