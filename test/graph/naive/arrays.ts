/** Small arrays of float64 and loops over them, for the naive implementations. */

import type { DType } from '../../../src/tensor/index.js';

export interface Values {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export type Operand = Values & { readonly dtype: DType };

export type NaiveAttributes = Readonly<Record<string, number | string | readonly number[]>>;
/** All outputs of an op. A value that ONNX leaves open is NaN. */
export type Naive = (inputs: readonly (Operand | null)[], attributes: NaiveAttributes) => Values[];

/** Names the operands and attributes of an implementation. */
export function naive<A>(f: (attributes: A, ...inputs: Operand[]) => Values[]): Naive {
  return (inputs, attributes) => f(attributes as A, ...(inputs as Operand[]));
}

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Calls `visit` with every index of a shape, the last axis fastest. The index is one array, changed in place. */
export function each(shape: readonly number[], visit: (at: readonly number[]) => void): void {
  const at = shape.map(() => 0);
  for (let count = product(shape); count > 0; count--) {
    visit(at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = (at[axis] as number) + 1;
      if ((at[axis] as number) < (shape[axis] as number)) break;
      at[axis] = 0;
    }
  }
}

export function fill(
  shape: readonly number[],
  value: (at: readonly number[]) => number,
): Values & { data: Float64Array } {
  const data = new Float64Array(product(shape));
  let i = 0;
  each(shape, (at) => {
    data[i++] = value(at);
  });
  return { shape, data };
}

/** The flat place of an index; axes of 1 are broadcast, missing ones in front too. */
export function place(shape: readonly number[], at: readonly number[]): number {
  const skip = at.length - shape.length;
  let flat = 0;
  for (const [i, dim] of shape.entries()) {
    const index = dim === 1 ? 0 : (at[i + skip] as number);
    if (!(index >= 0 && index < dim)) throw new Error(`index ${at} is outside [${shape}]`);
    flat = flat * dim + index;
  }
  return flat;
}

export const get = (x: Values, at: readonly number[]): number => x.data[place(x.shape, at)] as number;

export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const dims = (i: number) => shapes.map((shape) => shape[shape.length - rank + i] ?? 1);
  return Array.from({ length: rank }, (_, i) => dims(i).find((dim) => dim !== 1) ?? 1);
}

export const without = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.filter((_, i) => !axes.includes(i));
export const replaced = (at: readonly number[], axis: number, value: number): number[] =>
  at.map((old, i) => (i === axis ? value : old));
export const axisOf = (axis: number, x: Values): number => (axis < 0 ? axis + x.shape.length : axis);

/** All values along one axis through an index. */
export function along(x: Values, at: readonly number[], axis: number): number[] {
  return Array.from({ length: x.shape[axis] as number }, (_, i) => get(x, replaced(at, axis, i)));
}

export const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const average = (values: readonly number[]): number => total(values) / values.length;
export const variance = (values: readonly number[]): number => {
  const centre = average(values);
  return average(values.map((x) => (x - centre) ** 2));
};

export function logOfSum(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(total(values.map((x) => Math.exp(x - largest))));
}

/** The step of a scale that is nearest to x, as eight bits hold it. */
export const inEightBits = (x: number, scale: number): number => Math.max(-128, Math.min(127, Math.round(x / scale)));

export const inside = (at: readonly number[], shape: readonly number[]): boolean =>
  at.every((index, i) => index >= 0 && index < (shape[i] as number));
