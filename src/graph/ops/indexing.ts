/** Ops that read or write at given indices, and those that find them. Indices are i64 or i32; out of range is an error. */

import { type Dim, type DType, formatShape, QuintetError, type Shape, sameShape } from '../../tensor/index.js';
import { addAt } from '../add-at.js';
import {
  cumSum,
  gatherElements,
  gatherND,
  reshape,
  scatterElements,
  scatterND,
  transpose,
  zeros,
  zerosLike,
} from '../functions.js';
import { type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';
import { axisOf } from './layout.js';

type Reduction = 'none' | 'add';

function requireIndex({ dtype }: Tensor, accepted: readonly DType[] = ['i64', 'i32']): void {
  if (!accepted.includes(dtype))
    throw new QuintetError('dtype', `indices are ${dtype}; they must be ${accepted.join(' or ')}`);
}

/** The axis brought to the front, the others kept in order. */
function toFront(rank: number, axis: number): number[] {
  return [axis, ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)];
}

/** What Gather along `axis` picked up, added back into zeros of the shape it was picked from. */
function gatherGradient(g: Tensor, indices: Tensor, shape: Shape, axis: number): Tensor {
  const rank = shape.length;
  const width = indices.rank;
  // g is [before, ...indices, after]; its index axes come first, then everything else as rows.
  const order = [
    ...Array.from({ length: width }, (_, i) => axis + i),
    ...Array.from({ length: g.rank }, (_, i) => i).filter((i) => i < axis || i >= axis + width),
  ];
  const rows = transpose(g, order);
  const front = toFront(rank, axis);
  const target = zeros(
    g.dtype,
    front.map((i) => shape[i] as Dim),
  );
  const at = reshape(indices, [...indices.shape, 1]);
  const added = addAt(target, at, rows);
  return transpose(
    added,
    front.map((_, i) => front.indexOf(i)),
  );
}

function requireUpdates(updates: Tensor, data: Tensor, shape: Shape): void {
  if (updates.dtype !== data.dtype) throw new QuintetError('dtype', `cannot write ${updates.dtype} into ${data.dtype}`);
  if (!sameShape(updates.shape, shape)) {
    throw new QuintetError(
      'shape',
      `the updates are ${formatShape(updates.shape)}; the indices need ${formatShape(shape)}`,
    );
  }
}

/** What index tuples [..., K] pick from x: their leading axes, then those of x after the first K. */
function pickedShape(x: Tensor, indices: Tensor): Dim[] {
  requireIndex(indices, ['i64']);
  if (indices.size(-1) > x.rank) {
    throw new QuintetError(
      'shape',
      `indices ${formatShape(indices.shape)} are longer than the shape ${formatShape(x.shape)}`,
    );
  }
  return [...indices.shape.slice(0, -1), ...x.shape.slice(indices.size(-1))];
}

export const indexing = {
  Gather: rule<{ axis: number }>({
    picks: true,
    infer: (inputs, { axis }) => {
      const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
      requireIndex(indices);
      const at = axisOf(axis, x.rank);
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)] }];
    },
    gradient: ({ gradient: g, inputs, attributes: { axis } }) => {
      const [x, indices] = inputs as [Tensor, Tensor];
      return [gatherGradient(g, indices, x.shape, axisOf(axis, x.rank)), null];
    },
  }),

  GatherElements: rule<{ axis: number }>({
    infer: (inputs, { axis }) => {
      const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
      requireIndex(indices);
      axisOf(axis, x.rank);
      if (x.rank !== indices.rank) {
        throw new QuintetError(
          'shape',
          `${formatShape(x.shape)} and indices ${formatShape(indices.shape)} differ in rank`,
        );
      }
      return [{ dtype: x.dtype, shape: indices.shape }];
    },
    gradient: ({ gradient: g, inputs, attributes: { axis } }) => {
      const [x, indices] = inputs as [Tensor, Tensor];
      return [scatterElements(zeros(g.dtype, x.shape), indices, g, { axis, reduction: 'add' }), null];
    },
  }),

  /** Rows of x at index tuples: the last axis of indices addresses the first axes of x. */
  GatherND: {
    infer: (inputs) => {
      const x = operand(inputs, 0);
      return [{ dtype: x.dtype, shape: pickedShape(x, operand(inputs, 1)) }];
    },
    gradient: ({ gradient: g, inputs }): (Tensor | null)[] => {
      const [x, indices] = inputs as [Tensor, Tensor];
      return [addAt(zeros(g.dtype, x.shape), indices, g), null];
    },
  },

  ScatterElements: rule<{ axis: number; reduction: Reduction }>({
    infer: (inputs) => {
      const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
      requireIndex(indices);
      requireUpdates(operand(inputs, 2), x, indices.shape);
      return [x];
    },
    gradient: ({ gradient: g, inputs, attributes: { axis, reduction }, wants }): (Tensor | null)[] => {
      const [, indices, updates] = inputs as [Tensor, Tensor, Tensor];
      const kept =
        reduction === 'add' ? g : scatterElements(g, indices, zerosLike(updates), { axis, reduction: 'none' });
      return [kept, null, wants(2) ? gatherElements(g, indices, axis) : null];
    },
  }),

  ScatterND: {
    infer: (inputs) => {
      const x = operand(inputs, 0);
      requireUpdates(operand(inputs, 2), x, pickedShape(x, operand(inputs, 1)));
      return [x];
    },
    gradient: ({ gradient: g, inputs, wants }): (Tensor | null)[] => {
      const [, indices, updates] = inputs as [Tensor, Tensor, Tensor];
      return [scatterND(g, indices, zerosLike(updates)), null, wants(2) ? gatherND(g, indices) : null];
    },
  },

  /** The k largest along an axis, largest first, and where they stood. */
  TopK: rule<{ k: readonly number[]; axis: number }>({
    shapeInputs: ['k'],
    infer: (inputs, { k, axis }) => {
      const x = operand(inputs, 0);
      const at = axisOf(axis, x.rank);
      const shape = x.shape.map((dim, i) => (i === at ? (k[0] as number) : dim));
      return [
        { dtype: x.dtype, shape },
        { dtype: 'i64', shape },
      ];
    },
    gradient: ({ gradient: g, inputs, outputs, attributes: { axis } }) => {
      const target = zerosLike(inputs[0] as Tensor);
      return [scatterElements(target, outputs[1] as Tensor, g, { axis, reduction: 'add' })];
    },
  }),

  ArgMax: rule<{ axis: number; keepdims: number }>({
    infer: (inputs, { axis, keepdims }) => {
      const x = operand(inputs, 0);
      const at = axisOf(axis, x.rank);
      const shape = keepdims ? x.shape.map((dim, i) => (i === at ? 1 : dim)) : x.shape.filter((_, i) => i !== at);
      return [{ dtype: 'i64', shape }];
    },
    gradient: 'zero',
  }),

  CumSum: rule<{ axis: number; exclusive: number; reverse: number }>({
    scalarInputs: ['axis'],
    infer: (inputs, { axis }) => {
      axisOf(axis, operand(inputs, 0).rank);
      return [operand(inputs, 0)];
    },
    gradient: ({ gradient: g, attributes: { axis, exclusive, reverse } }) => [
      cumSum(g, axis, { exclusive: exclusive === 1, reverse: reverse === 0 }),
    ],
  }),
} satisfies Record<string, OpRule>;
