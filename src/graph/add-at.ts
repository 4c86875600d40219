/** Adding at places that may be the same. */
import { productOf, type Shape } from '../tensor/index.js';
import { add, expand, less, mul, reshape, scatterElements, sizeAs, slice, where } from './functions.js';
import type { Tensor } from './tensor.js';

/**
 * x with updates added at index tuples [..., K], of which several may be the same. ScatterND has a reduction for that, but ONNX
 * Runtime's threads add at the same place at once, and what one adds is lost (seen with 1.30): ScatterElements adds in order.
 */
export function addAt(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const size = indices.size(-1);
  const [front, width] = [x.shape.slice(0, size), productOf(x.shape.slice(size))];
  const count = productOf(indices.shape.slice(0, -1));
  const rows = size === 1 ? indices : rowNumbers(indices, front);
  const at = expand(reshape(rows, [count, 1]), [count, width]);
  const flat = reshape(x, [productOf(front), width]);
  const options = { axis: 0, reduction: 'add' } as const;
  return reshape(scatterElements(flat, at, reshape(updates, [count, width]), options), x.shape);
}

/** Tuples [..., K] of places in a shape as numbers of its rows; what counts from the end counts from the front then. */
function rowNumbers(indices: Tensor, shape: Shape): Tensor {
  const [first, ...others] = shape.map((dim, k) => {
    const at = slice(indices, -1, k, k + 1);
    const size = sizeAs([dim], at.dtype);
    return { size, place: where(less(at, 0), add(at, size), at) };
  }) as [Axis, ...Axis[]];
  return others.reduce((row, { size, place }) => add(mul(row, size), place), first.place);
}

interface Axis {
  readonly size: Tensor;
  readonly place: Tensor;
}
