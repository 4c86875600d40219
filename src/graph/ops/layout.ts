/** Ops that move values without changing them: reshape, transpose, broadcast, join, cut, pad, count. */

import {
  addDims,
  type Dim,
  divDims,
  formatShape,
  mulDims,
  productOf,
  QuintetError,
  type Shape,
  sameShape,
  subDims,
} from '../../tensor/index.js';
import { pad, reshape, slice, transpose } from '../functions.js';
import { type OpRule, operand, rule } from '../rule.js';
import { apply, type Tensor } from '../tensor.js';

/** The axis as a number from 0; negative ones count from the end. */
export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new QuintetError('shape', `axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return positive;
}

export const layout = {
  Reshape: rule<{ shape: Shape }>({
    view: true,
    shapeInputs: ['shape'],
    write: (inputs, { shape }) => ({ attributes: abbreviate(operand(inputs, 0), shape) }),
    infer: (inputs, { shape }) => {
      const x = operand(inputs, 0);
      const [before, after] = [productOf(x.shape), productOf(shape)];
      if (before !== after) {
        throw new QuintetError(
          'shape',
          `${formatShape(x.shape)} has ${before} elements, ${formatShape(shape)} has ${after}`,
        );
      }
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ gradient: g, inputs }) => [reshape(g, (inputs[0] as Tensor).shape)],
    simplify: (inputs, { shape }): Tensor | undefined => {
      const x = operand(inputs, 0);
      if (sameShape(x.shape, shape)) return x;
      return x.node.kind === 'Reshape' ? reshape(x.node.inputs[0] as Tensor, shape) : undefined;
    },
  }),

  Transpose: rule<{ perm: readonly number[] }>({
    infer: (inputs, { perm }) => {
      const x = operand(inputs, 0);
      const sorted = [...perm].sort((a, b) => a - b);
      if (perm.length !== x.rank || sorted.some((axis, i) => axis !== i)) {
        throw new QuintetError('shape', `[${perm}] is not a permutation of the axes of ${formatShape(x.shape)}`);
      }
      return [{ dtype: x.dtype, shape: perm.map((axis) => x.dim(axis)) }];
    },
    gradient: ({ gradient: g, attributes: { perm } }) => [
      transpose(
        g,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ],
    simplify: (inputs, { perm }): Tensor | undefined => {
      const x = operand(inputs, 0);
      if (perm.every((axis, i) => axis === i)) return x;
      if (x.node.kind === 'Transpose') {
        const inner = x.node.attributes.perm as readonly number[];
        return transpose(
          x.node.inputs[0] as Tensor,
          perm.map((axis) => inner[axis] as number),
        );
      }
      // (A B)^T = B^T A^T: the gradient of a weight stored [out, in] becomes one product.
      const swapsLast = perm.every((axis, i) => axis === (i < x.rank - 2 ? i : 2 * x.rank - 3 - i));
      if (x.node.kind === 'MatMul' && swapsLast && x.node.inputs.every((t) => t?.rank === x.rank)) {
        const [a, b] = x.node.inputs as [Tensor, Tensor];
        return apply('MatMul', [transpose(b, perm), transpose(a, perm)]);
      }
      return undefined;
    },
  }),

  Expand: rule<{ shape: Shape }>({
    shapeInputs: ['shape'],
    // A dimension that the operand has already may be left to it.
    write: (inputs, { shape }) => {
      const x = operand(inputs, 0);
      const offset = shape.length - x.rank;
      return { attributes: { shape: shape.map((dim, i) => (dim === x.shape[i - offset] ? 1 : dim)) } };
    },
    infer: (inputs, { shape }) => {
      const x = operand(inputs, 0);
      const offset = shape.length - x.rank;
      if (offset < 0 || x.shape.some((dim, i) => dim !== 1 && dim !== shape[i + offset])) {
        throw new QuintetError('shape', `${formatShape(x.shape)} does not expand to ${formatShape(shape)}`);
      }
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ gradient: g }) => [g],
    simplify: (inputs, { shape }) => (sameShape(operand(inputs, 0).shape, shape) ? operand(inputs, 0) : undefined),
  }),

  Concat: rule<{ axis: number }>({
    soonestFirst: true,
    infer: (inputs, { axis }) => {
      const first = operand(inputs, 0);
      const at = axisOf(axis, first.rank);
      let total: Dim = 0;
      for (const x of inputs as Tensor[]) {
        if (x.dtype !== first.dtype) throw new QuintetError('dtype', `cannot join ${first.dtype} and ${x.dtype}`);
        if (x.rank !== first.rank || x.shape.some((dim, i) => i !== at && dim !== first.shape[i])) {
          throw new QuintetError(
            'shape',
            `${formatShape(first.shape)} and ${formatShape(x.shape)} differ outside axis ${axis}`,
          );
        }
        total = addDims(total, x.dim(at));
      }
      return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === at ? total : dim)) }];
    },
    gradient: ({ gradient: g, inputs, attributes: { axis }, wants }) => {
      let start: Dim = 0;
      return inputs.map((x, i) => {
        const end = addDims(start, x.dim(axis));
        const part = wants(i) ? slice(g, axis, start, end) : null;
        start = end;
        return part;
      });
    },
    simplify: (inputs) => (inputs.length === 1 ? operand(inputs, 0) : undefined),
  }),

  /** Along each of `axes`, the elements from `starts` (inclusive, from the front) to `ends` (exclusive) by `steps`. */
  Slice: rule<{ starts: Shape; ends: Shape; axes: readonly number[]; steps: readonly number[] }>({
    shapeInputs: ['starts', 'ends', 'axes', 'steps'],
    infer: (inputs, { starts, ends, axes, steps }) => {
      const x = operand(inputs, 0);
      const shape = [...x.shape];
      for (const [i, axis] of axes.entries()) {
        const [start, end, step] = [starts[i] as Dim, ends[i] as Dim, steps[i] as number];
        const whole = shape[axis] as Dim;
        const length = subDims(end, start);
        const outside = typeof whole === 'number' && typeof end === 'number' && end > whole;
        if (outside || (typeof start === 'number' && start < 0) || (typeof length === 'number' && length < 0)) {
          throw new QuintetError('shape', `${start}..${end} is outside axis ${axis} of ${formatShape(x.shape)}`);
        }
        if (step === 1) shape[axis] = length;
        else if (typeof length === 'number') shape[axis] = Math.ceil(length / step);
        else throw new QuintetError('shape', `a slice by ${step} needs a length that is a number, not ${length}`);
      }
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ gradient: g, inputs, attributes: { starts, ends, axes, steps } }) => {
      const x = inputs[0] as Tensor;
      let result = g;
      for (const [i, axis] of axes.entries()) {
        const [start, step] = [starts[i] as Dim, steps[i] as number];
        if (step > 1) result = spread(result, axis, step, subDims(ends[i] as Dim, start) as number);
        const after = subDims(x.dim(axis), addDims(start, result.dim(axis)));
        result = pad(result, axis, start, after);
      }
      return [result];
    },
    simplify: (inputs, { starts, ends, axes, steps }) => {
      const x = operand(inputs, 0);
      const whole = axes.every((axis, i) => starts[i] === 0 && ends[i] === x.dim(axis) && steps[i] === 1);
      return whole ? x : undefined;
    },
  }),

  /** Zeros before and after each axis: `pads` holds the counts before every axis, then those after. */
  Pad: rule<{ pads: Shape }>({
    shapeInputs: ['pads'],
    infer: (inputs, { pads }) => {
      const x = operand(inputs, 0);
      if (pads.length !== 2 * x.rank || pads.some((count) => typeof count === 'number' && count < 0)) {
        throw new QuintetError('shape', `pads [${pads}] do not fit ${formatShape(x.shape)}`);
      }
      const shape = x.shape.map((dim, i) => addDims(addDims(dim, pads[i] as Dim), pads[i + x.rank] as Dim));
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ gradient: g, inputs, attributes: { pads } }) => {
      const x = inputs[0] as Tensor;
      return [x.shape.reduce<Tensor>((t, dim, i) => slice(t, i, pads[i] as Dim, addDims(pads[i] as Dim, dim)), g)];
    },
    simplify: (inputs, { pads }) => (pads.every((count) => count === 0) ? operand(inputs, 0) : undefined),
  }),

  /** The whole numbers from `start` (inclusive) to `limit` (exclusive), i64. */
  Range: rule<{ start: Dim; limit: Dim; delta: number }>({
    scalarInputs: ['start', 'limit', 'delta'],
    infer: (_, { start, limit, delta }) => {
      const length = divDims(subDims(limit, start), delta);
      if (length === undefined) throw new QuintetError('shape', `${start}..${limit} is no multiple of ${delta}`);
      return [{ dtype: 'i64', shape: [length] }];
    },
    gradient: 'zero',
  }),

  /** A dimension as a scalar, i64. */
  Identity: rule<{ dim: Dim }>({
    scalarInputs: ['dim'],
    infer: () => [{ dtype: 'i64', shape: [] }],
    gradient: 'zero',
  }),
} satisfies Record<string, OpRule>;

/**
 * ONNX's shorthand for a shape with letters spares their arithmetic: 0 keeps a dimension of the operand, -1 is what remains.
 * The two together, or a 0 that means zero elements, could not be told apart from a dimension that is 0 at run time.
 */
function abbreviate(x: Tensor, shape: Shape): { shape: Shape; allowzero: 0 | 1 } {
  const short = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === x.shape[i] ? 0 : -1));
  const rest = short.filter((dim) => dim === -1).length;
  const clear = !shape.includes(0) && (rest === 0 || (rest === 1 && !short.includes(0)));
  return clear ? { shape: short, allowzero: 0 } : { shape, allowzero: 1 };
}

/** The elements of an axis at every step-th place of `length` places, zeros between. */
function spread(x: Tensor, axis: number, step: number, length: number): Tensor {
  const count = x.size(axis);
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const padded = pad(reshape(x, [...before, count, 1, ...after]), axis + 1, 0, step - 1);
  const flat = reshape(padded, [...before, mulDims(count, step), ...after]);
  return count * step >= length ? slice(flat, axis, 0, length) : flat;
}
