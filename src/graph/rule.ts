/** What one record of the op table says: the shape rule, the gradient, and how it is written in ONNX. */

import type { Dim, DType, Shape } from '../tensor/index.js';
import type { Tensor } from './tensor.js';

/** Dimensions inside attributes may be letters; lowering computes them when the graph runs. */
export type AttributeValue = number | string | readonly Dim[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** An operand that an op needs: the optional ones are checked by the rule itself. */
export type Operands = readonly (Tensor | null)[];

export interface Backward<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: A;
  /** The gradient of the first output. Only the first output of an op carries a gradient. */
  readonly gradient: Tensor;
  /** Whether the gradient of this input is needed: costly ones are left out where it is not. */
  wants(input: number): boolean;
}

/** A node as it is written in ONNX. */
export interface Written {
  readonly op: string;
  readonly domain: string;
  readonly inputs: Operands;
  readonly attributes: Attributes;
}

export interface OpRule<A = Attributes> {
  /** Element types and shapes of the outputs; throws a QuintetError where operands do not fit. */
  infer(inputs: Operands, attributes: A): readonly TensorType[];
  /**
   * The gradient of each input, in the shape that broadcasting gave it (the walk sums back), or null where there is none.
   * 'zero': the output is piecewise constant or not a real number, and stops the walk. 'none': the op exists for inference
   * only, and differentiating through it is a mistake.
   */
  readonly gradient: ((context: Backward<A>) => readonly (Tensor | null)[]) | 'zero' | 'none';
  /** A simpler tensor with the same value, or undefined. */
  readonly simplify?: (inputs: Operands, attributes: A) => Tensor | undefined;
  /** ONNX's domain; default its own. */
  readonly domain?: 'com.microsoft';
  /** Attributes that ONNX stores as floating-point numbers; other numbers are whole. */
  readonly floats?: readonly string[];
  /** Attributes that ONNX takes as one-dimensional integer inputs, in order, after the tensors. */
  readonly shapeInputs?: readonly string[];
  /** Attributes that hold an element type. */
  readonly dtypes?: readonly string[];
  /** Attributes that only the shape rule reads. */
  readonly typeOnly?: readonly string[];
  /** Whether the op only picks values up, so that a cast of its first operand may as well follow it (Gather). */
  readonly picks?: boolean;
  /** Attributes that ONNX takes as scalar integer inputs, after those. */
  readonly scalarInputs?: readonly string[];
  /**
   * Whether its result costs less to compute once more than to keep until gradients need it; of an op of several outputs, how it
   * is computed from them and what goes in: ONNX Runtime makes equal nodes one without minding which of their outputs each has.
   */
  readonly light?: true | ((inputs: Operands, outputs: readonly Tensor[]) => Tensor);
  /** Whether of its operands what is at hand soonest is computed first; otherwise it is what takes longest. */
  readonly soonestFirst?: boolean;
  /** Whether its result is its first operand in another shape: the engine keeps one memory for both. */
  readonly view?: boolean;
  /** How many numbers are multiplied and added up, where it is a product. */
  readonly products?: (inputs: Operands, outputs: readonly Tensor[]) => Dim;
  /** The operand that the engine may copy into a layout of its own where it is a weight. */
  readonly laidOut?: number;
  /** Whether outputs after the first need not be computed where nothing uses them. */
  readonly optionalOutputs?: boolean;
  /** What is written otherwise than as the node has it: an op that does more at once, a shape that needs less arithmetic. */
  readonly write?: (inputs: Operands, attributes: A) => Partial<Written>;
}

/** Types a record by its own attributes; the table holds them all under one type. */
export function rule<A extends Attributes>(record: OpRule<A>): OpRule {
  return record as unknown as OpRule;
}

/** An operand that must be there. */
export function operand(inputs: Operands, index: number): Tensor {
  return inputs[index] as Tensor;
}
