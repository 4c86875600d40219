/**
 * Every op of the table once more, by plain loops in float64 as ONNX's operator pages define it: what the engines'
 * values, and by central differences the gradient rules, are compared with. Nothing here uses the code under test.
 */
import type { OpName } from '../../../src/graph/index.js';
import type { DType } from '../../../src/tensor/index.js';
import {
  along,
  average,
  axisOf,
  broadcast,
  each,
  fill,
  get,
  inEightBits,
  inside,
  logOfSum,
  type Naive,
  naive,
  place,
  product,
  replaced,
  total,
  type Values,
  variance,
  without,
} from './arrays.js';
import { attentionWeights, groupQueryAttention, rotaryEmbedding } from './attention.js';
import {
  dynamicQuantizeMatMul,
  gatherBlockQuantized,
  matMulNBits,
  normalFloatProduct,
  wholeProduct,
} from './quantised.js';
import { conv, convTranspose, type Pool, pooled, resize } from './windows.js';

const unary = (f: (x: number) => number): Naive => naive((_, x) => [fill(x.shape, (at) => f(get(x, at)))]);
const binary = (f: (a: number, b: number) => number): Naive =>
  naive((_, a, b) => [fill(broadcast(a.shape, b.shape), (at) => f(get(a, at), get(b, at)))]);
const compare = (f: (a: number, b: number) => boolean): Naive => binary((a, b) => Number(f(a, b)));

/** erf by the series that has no cancellation (Abramowitz and Stegun, 7.1.6). */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function roundEven(x: number): number {
  const whole = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}

/** The nearest float of a given number of significant bits; `smallest` is the exponent of the last subnormal bit. */
function roundTo(x: number, bits: number, smallest: number): number {
  if (x === 0) return 0;
  const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(x))) - bits + 1, smallest);
  return roundEven(x / unit) * unit;
}

function castTo(x: number, to: DType): number {
  if (to === 'bool') return x !== 0 ? 1 : 0;
  if (to === 'f16') return roundTo(x, 11, -24);
  if (to === 'bf16') return roundTo(x, 8, -133);
  if (to === 'f32') return Math.fround(x);
  return to === 'f64' ? x : Math.trunc(x);
}

function reduction(combine: (values: number[]) => number): Naive {
  return naive<{ axes: number[]; keepdims: number }>(({ axes, keepdims }, x) => {
    const reduced = axes.map((axis) => axisOf(axis, x));
    const rest = x.shape.map((dim, i) => (reduced.includes(i) ? 1 : dim));
    const bins = fill(rest, () => 0);
    const values = Array.from(bins.data, (): number[] => []);
    each(x.shape, (at) => values[place(rest, at)]?.push(get(x, at)));
    return [{ shape: keepdims ? rest : without(x.shape, reduced), data: values.map(combine) }];
  });
}

/** An index that may count from the end. */
const wrap = (index: number, dim: number): number => (index < 0 ? index + dim : index);

type Row = { epsilon: number };

/** Normalises the last axis: y, and what it was centred by and multiplied with. */
function normaliseRows(x: Values, centred: boolean, epsilon: number) {
  const last = x.shape.length - 1;
  const row = (at: readonly number[]): number[] => along(x, at, last);
  const centre = (at: readonly number[]): number => (centred ? average(row(at)) : 0);
  const inverse = (at: readonly number[]): number => {
    const c = centre(at);
    return 1 / Math.sqrt(average(row(at).map((v) => (v - c) ** 2)) + epsilon);
  };
  const perRow = replaced(x.shape, last, 1);
  return {
    y: (at: readonly number[]) => (get(x, at) - centre(at)) * inverse(at),
    mean: fill(perRow, centre),
    inverse: fill(perRow, inverse),
  };
}

/** The row of `indices` at a place as an index into the first axes of a shape. */
function tuple(indices: Values, at: readonly number[], shape: readonly number[]): number[] {
  const length = indices.shape.at(-1) as number;
  return Array.from({ length }, (_, i) => wrap(get(indices, [...at, i]), shape[i] as number));
}

type Scatter = { axis: number; reduction: string };
const written = (old: number, update: number, reduction: string): number =>
  reduction === 'add' ? old + update : update;

export const naives = {
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary((x) => Math.log1p(Math.exp(x))),
  Erf: unary(erf),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Relu: unary((x) => Math.max(x, 0)),
  Gelu: naive<{ approximate: string }>(({ approximate }, x) => {
    const exact = (v: number) => 0.5 * v * (1 + erf(v / Math.SQRT2));
    const close = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
    return [fill(x.shape, (at) => (approximate === 'tanh' ? close : exact)(get(x, at)))];
  }),
  QuickGelu: naive<{ alpha: number }>(({ alpha }, x) => [
    fill(x.shape, (at) => get(x, at) * sigmoid(alpha * get(x, at))),
  ]),
  Sign: unary(Math.sign),
  Floor: unary(Math.floor),
  Round: unary(roundEven),
  Detach: unary((x) => x),
  Not: unary((x) => (x ? 0 : 1)),

  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: naive((_, a, b) => {
    const whole = a.dtype.startsWith('i') || a.dtype.startsWith('u');
    const divide = (p: number, q: number) => (whole ? Math.trunc(p / q) : p / q);
    return [fill(broadcast(a.shape, b.shape), (at) => divide(get(a, at), get(b, at)))];
  }),
  Pow: binary((a, b) => a ** b),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Mod: binary((a, b) => a - b * Math.floor(a / b)),
  Equal: compare((a, b) => a === b),
  Less: compare((a, b) => a < b),
  LessOrEqual: compare((a, b) => a <= b),
  Greater: compare((a, b) => a > b),
  GreaterOrEqual: compare((a, b) => a >= b),
  And: compare((a, b) => a === 1 && b === 1),
  Or: compare((a, b) => a === 1 || b === 1),
  Where: naive((_, condition, a, b) => [
    fill(broadcast(condition.shape, a.shape, b.shape), (at) => get(get(condition, at) ? a : b, at)),
  ]),
  Cast: naive<{ to: DType }>(({ to }, x) => [fill(x.shape, (at) => castTo(get(x, at), to))]),

  Reshape: naive<{ shape: number[] }>(({ shape }, x) => [{ shape, data: x.data }]),
  Transpose: naive<{ perm: number[] }>(({ perm }, x) => [
    fill(
      perm.map((axis) => x.shape[axis] as number),
      (at) => {
        const from: number[] = [];
        for (const [i, axis] of perm.entries()) from[axis] = at[i] as number;
        return get(x, from);
      },
    ),
  ]),
  Expand: naive<{ shape: number[] }>(({ shape }, x) => [fill(shape, (at) => get(x, at))]),
  Concat: naive<{ axis: number }>(({ axis }, ...parts) => {
    const sizes = parts.map((x) => x.shape[axis] as number);
    return [
      fill(replaced((parts[0] as Values).shape, axis, total(sizes)), (at) => {
        let index = at[axis] as number;
        let part = 0;
        while (index >= (sizes[part] as number)) index -= sizes[part++] as number;
        return get(parts[part] as Values, replaced(at, axis, index));
      }),
    ];
  }),
  Slice: naive<{ starts: number[]; ends: number[]; axes: number[]; steps: number[] }>((attributes, x) => {
    const { starts, ends, axes, steps } = attributes;
    const shape = [...x.shape];
    for (const [i, axis] of axes.entries())
      shape[axis] = Math.ceil(((ends[i] as number) - (starts[i] as number)) / (steps[i] as number));
    return [
      fill(shape, (at) => {
        const from = [...at];
        for (const [i, axis] of axes.entries())
          from[axis] = (starts[i] as number) + (at[axis] as number) * (steps[i] as number);
        return get(x, from);
      }),
    ];
  }),
  Pad: naive<{ pads: number[] }>(({ pads }, x) => {
    const rank = x.shape.length;
    const shape = x.shape.map((dim, i) => (pads[i] as number) + dim + (pads[i + rank] as number));
    return [
      fill(shape, (at) => {
        const from = at.map((index, i) => index - (pads[i] as number));
        return inside(from, x.shape) ? get(x, from) : 0;
      }),
    ];
  }),
  Range: naive<{ start: number; limit: number; delta: number }>(({ start, limit, delta }) => [
    fill([Math.ceil((limit - start) / delta)], ([i]) => start + (i as number) * delta),
  ]),
  Identity: naive<{ dim: number }>(({ dim }) => [{ shape: [], data: [dim] }]),

  Gather: naive<{ axis: number }>(({ axis }, x, indices) => {
    const before = x.shape.slice(0, axis);
    const after = x.shape.slice(axis + 1);
    return [
      fill([...before, ...indices.shape, ...after], (at) => {
        const index = get(indices, at.slice(axis, axis + indices.shape.length));
        const rest = at.slice(axis + indices.shape.length);
        return get(x, [...at.slice(0, axis), wrap(index, x.shape[axis] as number), ...rest]);
      }),
    ];
  }),
  GatherElements: naive<{ axis: number }>(({ axis }, x, indices) => [
    fill(indices.shape, (at) => get(x, replaced(at, axis, wrap(get(indices, at), x.shape[axis] as number)))),
  ]),
  GatherND: naive((_, x, indices) => {
    const outer = indices.shape.slice(0, -1);
    const inner = x.shape.slice(indices.shape.at(-1));
    return [
      fill([...outer, ...inner], (at) => {
        const index = tuple(indices, at.slice(0, outer.length), x.shape);
        return get(x, [...index, ...at.slice(outer.length)]);
      }),
    ];
  }),
  ScatterElements: naive<Scatter>(({ axis, reduction }, x, indices, updates) => {
    const y = fill(x.shape, (at) => get(x, at));
    each(indices.shape, (at) => {
      const flat = place(y.shape, replaced(at, axis, wrap(get(indices, at), x.shape[axis] as number)));
      y.data[flat] = written(y.data[flat] as number, get(updates, at), reduction);
    });
    return [y];
  }),
  ScatterND: naive((_, x, indices, updates) => {
    const y = fill(x.shape, (at) => get(x, at));
    const outer = indices.shape.length - 1;
    each(updates.shape, (at) => {
      const index = tuple(indices, at.slice(0, outer), x.shape);
      y.data[place(y.shape, [...index, ...at.slice(outer)])] = get(updates, at);
    });
    return [y];
  }),
  TopK: naive<{ k: number[]; axis: number }>(({ k, axis }, x) => {
    const order = (at: readonly number[]): number[] => {
      const values = along(x, at, axis);
      return values.map((_, i) => i).sort((i, j) => (values[j] as number) - (values[i] as number) || i - j);
    };
    const shape = replaced(x.shape, axis, k[0] as number);
    const from = (at: readonly number[]): number => order(at)[at[axis] as number] as number;
    return [fill(shape, (at) => get(x, replaced(at, axis, from([...at])))), fill(shape, (at) => from([...at]))];
  }),
  ArgMax: naive<{ axis: number; keepdims: number }>(({ axis, keepdims }, x) => {
    const kept = fill(replaced(x.shape, axis, 1), (at) => {
      const values = along(x, at, axis);
      return values.indexOf(Math.max(...values));
    });
    return [{ shape: keepdims ? kept.shape : without(x.shape, [axis]), data: kept.data }];
  }),
  CumSum: naive<{ axis: number; exclusive: number; reverse: number }>(({ axis, exclusive, reverse }, x) => [
    fill(x.shape, (at) => {
      const here = at[axis] as number;
      const counts = (i: number) => (i === here ? !exclusive : reverse ? i > here : i < here);
      return total(along(x, at, axis).filter((_, i) => counts(i)));
    }),
  ]),

  ReduceSum: reduction(total),
  ReduceMean: reduction(average),
  ReduceMax: reduction((values) => Math.max(...values)),
  ReduceMin: reduction((values) => Math.min(...values)),
  Softmax: naive<{ axis: number }>(({ axis }, x) => [
    fill(x.shape, (at) => Math.exp(get(x, at) - logOfSum(along(x, at, axisOf(axis, x))))),
  ]),
  LogSoftmax: naive<{ axis: number }>(({ axis }, x) => [
    fill(x.shape, (at) => get(x, at) - logOfSum(along(x, at, axisOf(axis, x)))),
  ]),
  SoftmaxCrossEntropyLoss: naive<{ ignore_index: number }>(({ ignore_index }, scores, labels) => {
    const logs = fill(scores.shape, (at) => get(scores, at) - logOfSum(along(scores, at, 1)));
    return [
      fill(labels.shape, ([n]) => {
        const label = get(labels, [n as number]);
        return label === ignore_index ? 0 : -get(logs, [n as number, label]);
      }),
    ];
  }),

  MatMul: naive((_, a, b) => {
    const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const inner = a.shape.at(-1) as number;
    return [
      fill([...batch, a.shape.at(-2) as number, b.shape.at(-1) as number], (at) => {
        const [row, column] = at.slice(-2) as [number, number];
        const outer = at.slice(0, -2);
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += get(a, [...outer, row, k]) * get(b, [...outer, k, column]);
        return sum;
      }),
    ];
  }),
  Conv: conv,
  ConvTranspose: convTranspose,

  LayerNormalization: naive<Row>(({ epsilon }, x, scale, bias?) => {
    const { y, mean, inverse } = normaliseRows(x, true, epsilon);
    return [fill(x.shape, (at) => y(at) * get(scale, at) + (bias ? get(bias, at) : 0)), mean, inverse];
  }),
  SimplifiedLayerNormalization: naive<Row>(({ epsilon }, x, scale) => {
    const { y, inverse } = normaliseRows(x, false, epsilon);
    return [fill(x.shape, (at) => y(at) * get(scale, at)), inverse];
  }),
  InstanceNormalization: naive<Row>(({ epsilon }, x, scale, bias) => [
    fill(x.shape, (at) => {
      const [n, c] = at as [number, number];
      const plane: number[] = [];
      each(x.shape.slice(2), (rest) => plane.push(get(x, [n, c, ...rest])));
      const normal = (get(x, at) - average(plane)) / Math.sqrt(variance(plane) + epsilon);
      return normal * get(scale, [c]) + get(bias, [c]);
    }),
  ]),

  AveragePool: naive<Pool>((attributes, x) => [
    pooled(x, attributes, (values) => total(values) / product(attributes.kernel_shape)),
  ]),
  MaxPool: naive<Pool>((attributes, x) => [
    pooled(x, attributes, (values) => Math.max(...values)),
    pooled(x, attributes, (values, flat) => flat[values.indexOf(Math.max(...values))] as number),
  ]),
  Resize: resize,

  RotaryEmbedding: rotaryEmbedding,
  AttentionWeights: attentionWeights,
  GroupQueryAttention: groupQueryAttention,
  MatMulNBits: matMulNBits,
  GatherBlockQuantized: gatherBlockQuantized,
  DynamicQuantizeMatMul: dynamicQuantizeMatMul,
  NormalFloatProduct: normalFloatProduct,
  FrozenProduct: dynamicQuantizeMatMul,
  WholeProduct: wholeProduct,
  QuantizeLinear: naive<{ axis: number }>(({ axis }, x, scale) => [
    fill(x.shape, (at) => inEightBits(get(x, at), get(scale, [at[axis] as number]))),
  ]),
  DequantizeLinear: naive<{ axis: number }>(({ axis }, x, scale) => [
    fill(x.shape, (at) => get(x, at) * get(scale, [at[axis] as number])),
  ]),
} satisfies Record<OpName, Naive>;
