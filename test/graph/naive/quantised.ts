/** Naive products and look-ups of weights in integers. */
import { fill, get, naive, type Operand } from './arrays.js';

interface Blocks {
  readonly bits: number;
  readonly block_size: number;
}

/** Value `k` of row `n` of a weight in blocks. The first code of a byte lies in its low bits. */
function unpacked({ bits, block_size }: Blocks, codes: Operand, scales: Operand, n: number, k: number): number {
  const perByte = 8 / bits;
  const bytes = codes.data.length / (codes.shape[0] as number);
  const byte = codes.data[n * bytes + Math.floor(k / perByte)] as number;
  const code = (byte >> (bits * (k % perByte))) & (2 ** bits - 1);
  return (code - 2 ** (bits - 1)) * get(scales, [n, Math.floor(k / block_size)]);
}

export const matMulNBits = naive<Blocks & { K: number; N: number }>((attributes, x, codes, scales) => {
  const { K, N } = attributes;
  return [
    fill([...x.shape.slice(0, -1), N], (at) => {
      const [outer, n] = [at.slice(0, -1), at.at(-1) as number];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += get(x, [...outer, k]) * unpacked(attributes, codes, scales, n, k);
      return sum;
    }),
  ];
});

/** The sixteen numbers, written down in appendix E of the paper. */
const normalFloats = [
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
  ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
  ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
];

export const normalFloatProduct = naive<{ rows: number }>(({ rows }, x, codes, magnitudes) => {
  const width = x.shape.at(-1) as number;
  const weight = (n: number, k: number): number => {
    const i = n * width + k;
    const byte = codes.data[i >> 1] as number;
    return (normalFloats[i & 1 ? byte & 15 : byte >> 4] as number) * get(magnitudes, [i >> 6]);
  };
  return [
    fill([...x.shape.slice(0, -1), rows], (at) => {
      const [outer, n] = [at.slice(0, -1), at.at(-1) as number];
      let sum = 0;
      for (let k = 0; k < width; k++) sum += get(x, [...outer, k]) * weight(n, k);
      return sum;
    }),
  ];
});

export const wholeProduct = naive<Blocks>((attributes, x, codes, scales, minima?) => {
  const [rows, count] = scales.shape as [number, number];
  const { block_size: block } = attributes;
  const value = (n: number, k: number): number =>
    unpacked(attributes, codes, scales, n, k) + (minima ? get(minima, [Math.floor(k / block), n]) : 0);
  return [
    fill([...x.shape.slice(0, -1), rows], (at) => {
      const [outer, n] = [at.slice(0, -1), at.at(-1) as number];
      let sum = 0;
      for (let k = 0; k < count * block; k++) sum += get(x, [...outer, k]) * value(n, k);
      return sum;
    }),
  ];
});

export const gatherBlockQuantized = naive<Blocks>((attributes, codes, ids, scales) => {
  const width = (scales.shape[1] as number) * attributes.block_size;
  return [
    fill([...ids.shape, width], (at) => {
      const row = get(ids, at.slice(0, -1));
      return unpacked(attributes, codes, scales, row, at.at(-1) as number);
    }),
  ];
});

/** Samples hold numbers that eight bits hold exactly, so that rounding changes nothing. */
export const dynamicQuantizeMatMul = naive((_, x, weight, scales) => {
  const [inner, columns] = weight.shape as [number, number];
  return [
    fill([...x.shape.slice(0, -1), columns], (at) => {
      const [outer, n] = [at.slice(0, -1), at.at(-1) as number];
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += get(x, [...outer, k]) * get(weight, [k, n]) * get(scales, [n]);
      return sum;
    }),
  ];
});
