/** Rows of a tensor by themselves. */
import { slice } from './functions.js';
import type { OpName } from './ops/index.js';
import { apply, type Tensor } from './tensor.js';

/** Ops whose rows depend on the same rows of their first operand alone, where the others have none. */
const rowwise: ReadonlySet<string> = new Set([
  'MatMul',
  'FrozenProduct',
  'WholeProduct',
  'NormalFloatProduct',
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Tanh',
]);

/** x [N, ...] from row `from` to `to`, computed from those rows of what x is computed from: x need never exist whole. */
export function rowsOf(x: Tensor, from: number, to: number): Tensor {
  const { kind, inputs, attributes } = x.node;
  const [first, ...others] = inputs;
  const alone = first?.rank === x.rank && first.dim(0) === x.dim(0) && others.every((own) => !own || own.rank < x.rank);
  if (!rowwise.has(kind) || !alone) return slice(x, 0, from, to);
  return apply(kind as OpName, [rowsOf(first, from, to), ...others], attributes);
}
