/** Reductions and normalised exponentials. */

import { type Dim, formatShape, isFloat, QuintetError } from '../../tensor/index.js';
import {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  expand,
  logSoftmax,
  minimum,
  mul,
  neg,
  reshape,
  scatterElements,
  sizeAs,
  sub,
  sum,
  where,
  zerosLike,
} from '../functions.js';
import { type Operands, type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';
import { axisOf } from './layout.js';

type ReduceAttributes = { axes: readonly number[]; keepdims: number };

function reducedShape(x: Tensor, axes: readonly number[], keepdims: number): Dim[] {
  const reduced = new Set(axes.map((axis) => axisOf(axis, x.rank)));
  if (keepdims) return x.shape.map((dim, i) => (reduced.has(i) ? 1 : dim));
  return x.shape.filter((_, i) => !reduced.has(i));
}

function inferReduce(inputs: Operands, { axes, keepdims }: ReduceAttributes) {
  const x = operand(inputs, 0);
  return [{ dtype: x.dtype, shape: reducedShape(x, axes, keepdims) }];
}

/** A reduced tensor with its axes back as ones. */
function keep(reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return reshape(reduced, reducedShape(x, axes, 1));
}

/** The largest or smallest element: its gradient is shared by all that equal it. */
const extreme: OpRule = rule<ReduceAttributes>({
  shapeInputs: ['axes'],
  infer: inferReduce,
  gradient: ({ gradient: g, inputs, outputs, attributes: { axes } }) => {
    const x = inputs[0] as Tensor;
    const hit = cast(equal(x, keep(outputs[0] as Tensor, x, axes)), x.dtype);
    return [mul(hit, div(keep(g, x, axes), sum(hit, axes, { keep: true })))];
  },
});

function inferSoftmax(inputs: Operands, { axis }: { axis: number }) {
  const x = operand(inputs, 0);
  axisOf(axis, x.rank);
  if (!isFloat(x.dtype)) throw new QuintetError('dtype', `softmax of ${x.dtype}`);
  return [x];
}

export const reduce = {
  ReduceSum: rule<ReduceAttributes>({
    shapeInputs: ['axes'],
    infer: inferReduce,
    gradient: ({ gradient: g, inputs, attributes: { axes } }) => {
      const x = inputs[0] as Tensor;
      return [expand(keep(g, x, axes), x.shape)];
    },
    simplify: (inputs, { axes, keepdims }) => {
      const x = operand(inputs, 0);
      return axes.every((axis) => x.dim(axis) === 1) ? reshape(x, reducedShape(x, axes, keepdims)) : undefined;
    },
  }),
  ReduceMean: rule<ReduceAttributes>({
    shapeInputs: ['axes'],
    infer: inferReduce,
    gradient: ({ gradient: g, inputs, attributes: { axes } }) => {
      const x = inputs[0] as Tensor;
      const count = sizeAs(
        axes.map((axis) => x.dim(axis)),
        g.dtype,
      );
      return [expand(keep(div(g, count), x, axes), x.shape)];
    },
  }),
  ReduceMax: extreme,
  ReduceMin: extreme,

  Softmax: rule<{ axis: number }>({
    infer: inferSoftmax,
    gradient: ({ gradient: g, outputs, attributes: { axis } }) => {
      const y = outputs[0] as Tensor;
      return [mul(y, sub(g, sum(mul(g, y), [axis], { keep: true })))];
    },
  }),
  LogSoftmax: rule<{ axis: number }>({
    infer: inferSoftmax,
    gradient: ({ gradient: g, outputs, attributes: { axis } }) => [
      sub(g, mul(exp(outputs[0] as Tensor), sum(g, [axis], { keep: true }))),
    ],
  }),

  /**
   * Cross entropy [N] of each row of scores [N, C] with its label [N]. Rows whose label is `ignore_index` have loss 0 and no
   * gradient. Given the log-probabilities [N, C] of the scores as well, it reads those: the engine's own are much slower,
   * computed along an axis that it does not take for the last.
   */
  SoftmaxCrossEntropyLoss: rule<{ reduction: 'none'; ignore_index: number }>({
    write: ([scores, labels, logs = null]) =>
      logs
        ? { op: 'NegativeLogLikelihoodLoss', inputs: [logs, labels as Tensor] }
        : { inputs: [scores as Tensor, labels as Tensor] },
    infer: (inputs) => {
      const [scores, labels] = [operand(inputs, 0), operand(inputs, 1)];
      if (scores.rank !== 2 || labels.rank !== 1 || scores.dim(0) !== labels.dim(0) || labels.dtype !== 'i64') {
        throw new QuintetError(
          'shape',
          `scores ${formatShape(scores.shape)} need one i64 label a row, not ${labels.dtype} ${formatShape(labels.shape)}`,
        );
      }
      return [{ dtype: scores.dtype, shape: labels.shape }];
    },
    gradient: ({ gradient: g, inputs, outputs, attributes: { ignore_index } }) => {
      const [scores, labels, logs = logSoftmax(scores)] = inputs as [Tensor, Tensor, Tensor?];
      const ignored = equal(labels, ignore_index);
      // Once the losses are known the scores' own memory is free for their gradient, which is as large.
      const kept = add(where(ignored, zerosLike(g), g), minimum(abs(outputs[0] as Tensor), 0)); // [N]
      const column = (t: Tensor): Tensor => reshape(t, [labels.dim(0), 1]);
      const probable = mul(exp(logs), column(kept)); // [N, C]
      const safe = where(ignored, zerosLike(labels), labels);
      return [scatterElements(probable, column(safe), column(neg(kept)), { axis: 1, reduction: 'add' }), null, null];
    },
  }),
} satisfies Record<string, OpRule>;
