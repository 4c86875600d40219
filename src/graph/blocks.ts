/**
 * Weights in blocks, as the numbers that they stand for: made only where something else is known. Otherwise the engine would
 * make them when it opens a graph, or before anything else, and keep them all.
 *
 * N rows of a weight, K their width, b values in a block, C = K / b blocks in a row
 */

import { nf4, normalFloatBlock } from '../tensor/index.js';
import {
  add,
  type BlockLayout,
  cast,
  expand,
  flatten,
  gather,
  gatherBlocks,
  mul,
  range,
  reshape,
  slice,
  transpose,
  unsqueeze,
  values,
} from './functions.js';
import { apply, type Tensor } from './tensor.js';

/** Codes u8 [N, K*bits/8], scales [N, C], and minima [C, N] where the form has them. */
export interface BlockPieces {
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly minima?: Tensor | undefined;
}

/** Rows of a table [N, K] at ids [...] -> [..., K] */
export function blockRows(ids: Tensor, { codes, scales, minima }: BlockPieces, layout: BlockLayout): Tensor {
  const numbers = gatherBlocks(ids, codes, scales, layout);
  if (!minima) return numbers;
  const each = unsqueeze(gather(transpose(minima), ids), -1);
  return add(numbers, flatten(expand(each, [...each.shape.slice(0, -1), layout.block]), -2, -1));
}

/** 0, 1, ... as i64 [count], once `after` is known. */
function numbersAfter(after: Tensor, count: number): Tensor {
  const one = after.shape.reduce<Tensor>((x, _, axis) => slice(x, axis, 0, 1), after);
  // Zero, whatever the number is; also of one that is none.
  return add(range(0, count), mul(cast(reshape(one, [1]), 'i64'), 0));
}

/** All of a weight in blocks [N, K], once `after` is known. */
export const wholeWeight = (pieces: BlockPieces, layout: BlockLayout, after: Tensor): Tensor =>
  blockRows(numbersAfter(after, pieces.scales.size(0)), pieces, layout);

/** All of a weight in NF4 [N, K], codes u8 [C, 32] and magnitudes [C] of the flat weight, once `after` is known. */
export function wholeNormalFloats(
  codes: Tensor,
  magnitudes: Tensor,
  [rows, width]: readonly [number, number],
  after: Tensor,
): Tensor {
  const pairs = Array.from({ length: 256 }, (_, byte) => [nf4[byte >> 4], nf4[byte & 15]] as [number, number]);
  const count = magnitudes.size(0);
  const late = gather(codes, numbersAfter(after, count));
  const numbers = reshape(gather(values('f32', [256, 2], pairs.flat()), cast(late, 'i32')), [count, normalFloatBlock]);
  const flat = reshape(mul(numbers, unsqueeze(magnitudes, 1)), [count * normalFloatBlock]);
  return reshape(slice(flat, 0, 0, rows * width), [rows, width]);
}

/** x [..., K] times the transpose of a weight in NF4 that does not learn -> [..., N], and its gradient */
export const normalFloatProduct = (x: Tensor, codes: Tensor, magnitudes: Tensor, rows: number): Tensor =>
  apply('NormalFloatProduct', [x, codes, magnitudes], { rows });

/**
 * x [..., K] times the transpose of a weight in blocks that does not learn -> [..., N], and its gradient, with the very numbers
 * that the blocks stand for.
 */
export function wholeProduct(x: Tensor, { codes, scales, minima }: BlockPieces, { bits, block }: BlockLayout): Tensor {
  const pieces = [codes, scales, ...(minima ? [minima] : [])];
  return apply('WholeProduct', [x, ...pieces], { bits, block_size: block });
}
