/** What a sample of an op consists of, and where its numbers come from. */
import type { Attributes } from '../../../src/graph/index.js';
import type { DType, Random, Shape } from '../../../src/tensor/index.js';

/** Numbers for an operand of a given size. */
export type Source = (size: number, random: Random) => number[];

export interface OperandSample {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: Source;
  /** Fed in another order of axes and transposed to this shape in the graph. */
  readonly from?: readonly number[];
}

export interface Sample {
  readonly operands: readonly (OperandSample | null)[];
  readonly attributes?: Attributes;
  /** Shapes of further inputs, from which letters of the attributes get their values. */
  readonly binds?: readonly Shape[];
  /** What the letters of shapes and attributes stand for. */
  readonly letters?: Readonly<Record<string, number>>;
  /** False where values lie on a kink or jump, at which differences say nothing about the gradient rule. */
  readonly smooth?: false;
  /** Operands that the op passes no gradient to, though they are real numbers. */
  readonly frozen?: readonly number[];
}

export const draw =
  (one: (random: Random) => number): Source =>
  (size, random) =>
    Array.from({ length: size }, () => one(random));
export const normal = draw((random) => random.normal());
export const positive = draw((random) => 0.3 + 2 * random.uniform());
/** Away from zero on both sides. */
export const apart = draw((random) => (random.uniform() < 0.5 ? -1 : 1) * (0.2 + random.uniform()));
export const bits = draw((random) => random.integer(2));
/** Different numbers, at least 0.1 from each other, in any order. */
export const distinct: Source = (size, random) =>
  random.shuffle(Array.from({ length: size }, (_, i) => (i - size / 3) / 7));
export const below = (bound: number): Source => draw((random) => random.integer(bound));
export const given =
  (...numbers: number[]): Source =>
  () =>
    numbers;

export const of =
  (dtype: DType) =>
  (shape: Shape, values: Source = normal): OperandSample => ({ dtype, shape, values });
export const f32 = of('f32');
export const i64 = of('i64');
export const i32 = of('i32');
export const bool = (shape: Shape): OperandSample => of('bool')(shape, bits);
/** The operand as a transposed view. */
export const turned = (shape: Shape, from: readonly number[]): OperandSample => ({ ...f32(shape), from });

export const one = (...operands: OperandSample[]): Sample => ({ operands });
export const using = (attributes: Attributes, ...operands: OperandSample[]): Sample => ({ attributes, operands });
export const unary = (values: Source): Sample[] => [
  one(f32([2, 3], values)),
  one(f32([], values)),
  { operands: [f32(['B', 1, 'T'], values)], letters: { B: 2, T: 3 } },
];
export const jump = (...numbers: number[]): Sample => ({
  operands: [f32([numbers.length], given(...numbers))],
  smooth: false,
});
