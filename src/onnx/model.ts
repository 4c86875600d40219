/** An ONNX model as plain records, before it becomes bytes: what lowering makes and what engines take. */

import type { DType, InitializerSource, Shape } from '../tensor/index.js';

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  /** '' is ONNX's own domain, 'com.microsoft' ONNX Runtime's contributed operators. */
  readonly domain: string;
  /** '' stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly source: InitializerSource;
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  /** Letters become `dim_param`. */
  readonly shape: Shape;
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /**
   * What is computed in between, where its shape has sums or products of letters: ONNX Runtime carries letters on by itself, but
   * calls anew whatever it computes of them, and puts only values of equal shapes into the same memory.
   */
  readonly values: readonly OnnxValue[];
}
