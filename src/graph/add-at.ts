/** Adding at places that may be the same. */
import { productOf } from '../tensor/index.js';
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
  // Tuples as numbers of rows; what counts from the end counts from the front then.
  const rows = front.reduce<Tensor | undefined>((before, dim, k) => {
    const at = slice(indices, -1, k, k + 1);
    const fromFront = where(less(at, 0), add(at, sizeAs([dim], at.dtype)), at);
    return before ? add(mul(before, sizeAs([dim], at.dtype)), fromFront) : fromFront;
  }, undefined) as Tensor;
  const at = expand(reshape(rows, [count, 1]), [count, width]);
  const flat = reshape(x, [productOf(front), width]);
  const options = { axis: 0, reduction: 'add' } as const;
  return reshape(scatterElements(flat, at, reshape(updates, [count, width]), options), x.shape);
}
