/** A sample of an op as a graph with its gradients, the numbers it is fed, and what naive arithmetic expects of it. */
import {
  type Graph,
  gradients,
  graph,
  input,
  mul,
  type OpName,
  ops,
  sum,
  type Tensor,
  transpose,
} from '../../src/graph/index.js';
import { applyAll } from '../../src/graph/tensor.js';
import {
  evaluateDim,
  type HostArray,
  hostArray,
  isFloat,
  Random,
  type Shape,
  seedFor,
  toNumbers,
} from '../../src/tensor/index.js';
import type { NaiveAttributes, Operand, Values } from './naive/arrays.js';
import { naives } from './naive/index.js';
import type { OperandSample, Sample } from './samples/operands.js';

export interface Trial {
  readonly graph: Graph;
  readonly feeds: Record<string, HostArray>;
  /** By the names of the graph's outputs. */
  readonly expected: Record<string, Values>;
}

interface Fed {
  readonly tensor: Tensor;
  readonly value: Operand;
}

/** Builds the graph of `op` on a sample: its outputs `y0`, `y1` …, and where they exist the gradients `g0`, `g1` …. */
export function trial(op: OpName, sample: Sample, index: number): Trial {
  const random = new Random(seedFor(index, op));
  const letters = new Map(Object.entries(sample.letters ?? {}));
  const bind = (shape: Shape): number[] => shape.map((dim) => evaluateDim(dim, letters));
  const feeds: Record<string, HostArray> = {};
  const outputs: Record<string, Tensor> = {};
  const expected: Record<string, Values> = {};

  const feed = (operand: OperandSample, name: string): Fed => {
    const { dtype, shape, values, from } = operand;
    const array = hostArray(
      dtype,
      bind(shape),
      values(
        bind(shape).reduce((a, b) => a * b, 1),
        random,
      ),
    );
    const value = { dtype, shape: array.shape, data: toNumbers(array) };
    if (!from) {
      feeds[name] = array;
      return { tensor: input(name, dtype, shape), value };
    }
    // The axes as fed: the transpose by `from` gives back the shape that the op sees.
    const back = from.map((_, i) => from.indexOf(i));
    const fed = naives.Transpose([value], { perm: back })[0] as Values;
    feeds[name] = hostArray(dtype, fed.shape, fed.data);
    return {
      tensor: transpose(
        input(
          name,
          dtype,
          back.map((axis) => shape[axis] as number),
        ),
        from,
      ),
      value,
    };
  };

  const fed = sample.operands.map((operand, i) => operand && feed(operand, `x${i}`));
  for (const [i, shape] of (sample.binds ?? []).entries()) {
    outputs[`bound${i}`] = feed(
      { dtype: 'f32', shape, values: (size) => new Array(size).fill(1) },
      `letters${i}`,
    ).tensor;
  }
  const attributes = sample.attributes ?? {};
  const results = applyAll(
    op,
    fed.map((x) => x?.tensor ?? null),
    attributes,
  );
  const bound = bindAttributes(op, attributes, bind);
  const naive = (operands: readonly (Operand | null)[]): Values[] => naives[op](operands, bound);
  const values = naive(fed.map((x) => x?.value ?? null));
  for (const [i, y] of results.entries()) {
    outputs[`y${i}`] = y;
    expected[`y${i}`] = values[i] as Values;
  }

  const wanted = fed.flatMap((x, i) =>
    x && isFloat(x.tensor.dtype) && !sample.frozen?.includes(i) ? [{ ...x, place: i }] : [],
  );
  const y = results[0] as Tensor;
  if (typeof ops[op].gradient !== 'function' || !isFloat(y.dtype) || sample.smooth === false || wanted.length === 0)
    return { graph: graph(op, outputs), feeds, expected };
  const weights = feed(
    { dtype: y.dtype, shape: y.shape, values: (size) => Array.from({ length: size }, () => random.normal()) },
    'weights',
  );
  const loss = sum(mul(y, weights.tensor));
  const all = gradients(
    loss,
    wanted.map((x) => x.tensor),
  );
  for (const [i, { tensor, place }] of wanted.entries()) {
    const difference = differences((operand) => {
      const operands = fed.map((x, j) => (j === place ? operand : (x?.value ?? null)));
      return dot(naive(operands)[0] as Values, weights.value);
    }, fed[place]?.value as Operand);
    // Together with the others, and alone: a rule may leave out what is not asked for.
    const alone = gradients(loss, [tensor])[0];
    for (const [name, gradient] of [
      [`g${place}`, all[i]],
      [`alone${place}`, alone],
    ] as const) {
      outputs[name] = gradient as Tensor;
      expected[name] = difference;
    }
  }
  return { graph: graph(op, outputs), feeds, expected };
}

function dot(a: Values, b: Values): number {
  let result = 0;
  for (let i = 0; i < a.data.length; i++) result += (a.data[i] as number) * (b.data[i] as number);
  return result;
}

/** The gradient of a function by central differences in float64. */
export function differences(f: (x: Operand) => number, x: Operand): Values {
  const moved = (i: number, by: number): Operand => ({
    ...x,
    data: Array.from(x.data, (v, j) => (j === i ? v + by : v)),
  });
  const step = 1e-5;
  return { shape: x.shape, data: Array.from(x.data, (_, i) => (f(moved(i, step)) - f(moved(i, -step))) / (2 * step)) };
}

/** Attributes with numbers for letters. */
function bindAttributes(
  op: OpName,
  attributes: Sample['attributes'],
  bind: (shape: Shape) => number[],
): NaiveAttributes {
  const { scalarInputs = [] } = ops[op];
  const entries = Object.entries(attributes ?? {}).map(([key, value]) => {
    if (typeof value === 'object') return [key, bind(value)];
    return [key, scalarInputs.includes(key) ? bind([value])[0] : value];
  });
  return Object.fromEntries(entries) as NaiveAttributes;
}
