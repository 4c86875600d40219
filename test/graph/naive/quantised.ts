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
