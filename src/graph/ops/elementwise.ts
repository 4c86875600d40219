/** Elementwise ops: arithmetic, comparisons, activations, choice and casts. Gradients are blind to broadcasting. */

import { broadcastShapes, type DType, isFloat, QuintetError, type Shape, sameShape } from '../../tensor/index.js';
import {
  add,
  cast,
  cos,
  div,
  erf,
  exp,
  greater,
  less,
  log,
  mul,
  neg,
  pow,
  sigmoid,
  sign,
  sin,
  sub,
  tanh,
  where,
  zerosLike,
} from '../functions.js';
import { type Attributes, type Operands, type OpRule, operand, rule } from '../rule.js';
import { constantValue, type Tensor } from '../tensor.js';

type UnaryGradient = (g: Tensor, y: Tensor, x: Tensor) => Tensor;

type Accepts = (dtype: DType) => boolean;
const isNumber: Accepts = (dtype) => dtype !== 'bool';
const isBool: Accepts = (dtype) => dtype === 'bool';
const isWhole: Accepts = (dtype) => isNumber(dtype) && !isFloat(dtype);

function requireType({ dtype }: Tensor, accepts: Accepts): void {
  if (!accepts(dtype)) throw new QuintetError('dtype', `${dtype} is not accepted here; cast it first`);
}

/** A smooth function of one floating-point tensor. */
function unary(gradient: UnaryGradient): OpRule {
  return {
    infer: (inputs) => {
      requireType(operand(inputs, 0), isFloat);
      return [operand(inputs, 0)];
    },
    gradient: ({ gradient: g, outputs, inputs }) => [gradient(g, outputs[0] as Tensor, inputs[0] as Tensor)],
  };
}

/** A function of one tensor that has no useful gradient. */
function step(accepts: Accepts): OpRule {
  return {
    infer: (inputs) => {
      requireType(operand(inputs, 0), accepts);
      return [operand(inputs, 0)];
    },
    gradient: 'zero',
  };
}

function sameType(inputs: Operands): DType {
  const [a, b] = [operand(inputs, inputs.length - 2), operand(inputs, inputs.length - 1)];
  if (a.dtype !== b.dtype) throw new QuintetError('dtype', `the operands are ${a.dtype} and ${b.dtype}; cast one`);
  return a.dtype;
}

type BinaryGradient = (
  g: Tensor,
  a: Tensor,
  b: Tensor,
  y: Tensor,
  wants: (input: number) => boolean,
) => (Tensor | null)[];

function broadcast(inputs: Operands): Shape {
  return broadcastShapes(operand(inputs, 0).shape, operand(inputs, 1).shape);
}

/** An arithmetic function of two tensors of one type that broadcast. `neutral` is the operand that changes nothing. */
function binary(
  gradient: BinaryGradient,
  { neutral, commutes = false }: { neutral?: number; commutes?: boolean } = {},
): OpRule {
  return {
    infer: (inputs) => {
      requireType(operand(inputs, 0), isNumber);
      return [{ dtype: sameType(inputs), shape: broadcast(inputs) }];
    },
    gradient: ({ gradient: g, inputs, outputs, wants }) =>
      gradient(g, inputs[0] as Tensor, inputs[1] as Tensor, outputs[0] as Tensor, wants),
    simplify: (inputs) => {
      const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
      const changesNothing = (c: Tensor, x: Tensor): boolean =>
        neutral !== undefined && constantValue(c) === neutral && sameShape(broadcastShapes(c.shape, x.shape), x.shape);
      if (changesNothing(b, a)) return a;
      return commutes && changesNothing(a, b) ? b : undefined;
    },
  };
}

/** A comparison or logical function of two tensors of one type: booleans. */
function compare(accepts: Accepts): OpRule {
  return {
    infer: (inputs) => {
      requireType(operand(inputs, 0), accepts);
      sameType(inputs);
      return [{ dtype: 'bool', shape: broadcast(inputs) }];
    },
    gradient: 'zero',
  };
}

/** The density of the standard normal distribution. */
function normalDensity(x: Tensor): Tensor {
  return mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
}

/** The derivative of the tanh form of GELU (Hendrycks and Gimpel, 2016). */
function tanhGeluSlope(x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI);
  const squared = mul(x, x);
  const t = tanh(mul(mul(x, add(mul(squared, 0.044715), 1)), c));
  const inner = mul(add(mul(squared, 3 * 0.044715), 1), c);
  const bend = mul(mul(mul(x, sub(1, mul(t, t))), inner), 0.5);
  return add(mul(add(t, 1), 0.5), bend);
}

export const elementwise = {
  Neg: { ...step(isNumber), gradient: ({ gradient: g }) => [neg(g)] },
  Abs: unary((g, _, x) => mul(g, sign(x))),
  Exp: unary((g, y) => mul(g, y)),
  Log: unary((g, _, x) => div(g, x)),
  Sqrt: unary((g, y) => div(mul(g, 0.5), y)),
  Reciprocal: unary((g, y) => neg(mul(g, mul(y, y)))),
  Tanh: unary((g, y) => mul(g, sub(1, mul(y, y)))),
  Sigmoid: unary((g, y) => mul(g, mul(y, sub(1, y)))),
  Softplus: unary((g, _, x) => mul(g, sigmoid(x))),
  Erf: unary((g, _, x) => mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Sin: unary((g, _, x) => mul(g, cos(x))),
  Cos: unary((g, _, x) => neg(mul(g, sin(x)))),
  Relu: unary((g, y) => where(greater(y, 0), g, zerosLike(g))),
  Gelu: rule<{ approximate: 'none' | 'tanh' }>({
    light: true,
    infer: (inputs) => {
      requireType(operand(inputs, 0), isFloat);
      return [operand(inputs, 0)];
    },
    gradient: ({ gradient: g, inputs, attributes }) => {
      const x = inputs[0] as Tensor;
      if (attributes.approximate === 'tanh') return [mul(g, tanhGeluSlope(x))];
      const phi = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
      return [mul(g, add(phi, mul(x, normalDensity(x))))];
    },
  }),
  /** x · sigmoid(alpha · x): OpenAI's quick GELU with alpha 1.702, SiLU with alpha 1. */
  QuickGelu: rule<{ alpha: number }>({
    light: true,
    domain: 'com.microsoft',
    floats: ['alpha'],
    infer: (inputs) => {
      requireType(operand(inputs, 0), isFloat);
      return [operand(inputs, 0)];
    },
    gradient: ({ gradient: g, inputs, attributes: { alpha } }) => {
      const x = inputs[0] as Tensor;
      const s = sigmoid(mul(x, alpha));
      return [mul(g, mul(s, add(mul(mul(x, alpha), sub(1, s)), 1)))];
    },
  }),
  Sign: step(isNumber),
  Floor: step(isFloat),
  Round: step(isFloat),
  Not: step(isBool),
  /** The same values as a fact of the moment: no gradient passes through. A graph, whose gradients are taken, needs none. */
  Detach: { ...step(isFloat), view: true, simplify: (inputs) => operand(inputs, 0) },

  Add: binary((g) => [g, g], { neutral: 0, commutes: true }),
  Sub: binary((g, _a, _b, _y, wants) => [g, wants(1) ? neg(g) : null], { neutral: 0 }),
  Mul: binary((g, a, b, _y, wants) => [wants(0) ? mul(g, b) : null, wants(1) ? mul(g, a) : null], {
    neutral: 1,
    commutes: true,
  }),
  Div: binary((g, _a, b, y, wants) => [wants(0) ? div(g, b) : null, wants(1) ? neg(div(mul(g, y), b)) : null], {
    neutral: 1,
  }),
  Pow: binary(
    (g, a, b, y, wants) => [
      wants(0) ? mul(g, mul(b, pow(a, sub(b, 1)))) : null,
      wants(1) ? mul(g, mul(y, log(a))) : null,
    ],
    { neutral: 1 },
  ),
  // Ties give the whole gradient to the right operand.
  Min: binary((g, a, b) => [where(less(a, b), g, zerosLike(g)), where(less(a, b), zerosLike(g), g)]),
  Max: binary((g, a, b) => [where(greater(a, b), g, zerosLike(g)), where(greater(a, b), zerosLike(g), g)]),
  /** The remainder of whole numbers, with the divisor's sign. */
  Mod: {
    infer: (inputs) => {
      requireType(operand(inputs, 0), isWhole);
      return [{ dtype: sameType(inputs), shape: broadcast(inputs) }];
    },
    gradient: 'zero',
  },

  Equal: compare(() => true),
  Less: compare(isNumber),
  LessOrEqual: compare(isNumber),
  Greater: compare(isNumber),
  GreaterOrEqual: compare(isNumber),
  And: compare(isBool),
  Or: compare(isBool),

  Where: {
    infer: (inputs) => {
      const condition = operand(inputs, 0);
      requireType(condition, isBool);
      const shape = broadcastShapes(condition.shape, operand(inputs, 1).shape, operand(inputs, 2).shape);
      return [{ dtype: sameType(inputs), shape }];
    },
    gradient: ({ gradient: g, inputs }) => {
      const condition = inputs[0] as Tensor;
      return [null, where(condition, g, zerosLike(g)), where(condition, zerosLike(g), g)];
    },
    // What is detached where the condition holds is all the same once gradients are taken.
    simplify: (inputs) => {
      const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
      const isWhole = sameShape(broadcastShapes(condition.shape, a.shape), a.shape);
      return a === b && isWhole ? a : undefined;
    },
  },
  Cast: rule<{ to: DType }>({
    dtypes: ['to'],
    infer: (inputs, { to }) => [{ dtype: to, shape: operand(inputs, 0).shape }],
    gradient: ({ gradient: g, inputs }) => {
      const { dtype } = inputs[0] as Tensor;
      return [isFloat(dtype) ? cast(g, dtype) : null];
    },
    simplify: (inputs, { to }) => (operand(inputs, 0).dtype === to ? operand(inputs, 0) : undefined),
  }),
} satisfies Record<string, OpRule<Attributes>>;
