/** The values that packed weights stand for. */
import type { BlockForm, PackedBlocks, PackedColumns } from '../../src/tensor/index.js';

export function unpackBlocks(packed: PackedBlocks, { bits, block }: BlockForm): Float32Array<ArrayBuffer> {
  const { codes, scales, minima } = packed;
  const values = new Float32Array((codes.length * 8) / bits);
  for (let i = 0; i < values.length; i++) {
    const code = bits === 8 ? (codes[i] as number) : ((codes[i >> 1] as number) >> (4 * (i & 1))) & 15;
    const at = Math.floor(i / block);
    values[i] = (scales[at] as number) * (code - 2 ** (bits - 1)) + (minima?.[at] ?? 0);
  }
  return values;
}

export function unpackColumns({ codes, scales }: PackedColumns): Float32Array<ArrayBuffer> {
  const rows = scales.length;
  const width = codes.length / rows;
  return Float32Array.from(codes, (_, i) => {
    const [n, k] = [Math.floor(i / width), i % width];
    return (codes[k * rows + n] as number) * (scales[n] as number);
  });
}
