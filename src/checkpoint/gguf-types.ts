/** The tensor types of GGUF: plain ones with a counterpart here, and quantised ones made of blocks (ggml's `ggml_type`). */

import type { DType } from '../tensor/index.js';

/** Values in a block, and bytes that hold them. */
export const quantisedTypes = {
  Q4_0: { values: 32, bytes: 18 },
  Q4_1: { values: 32, bytes: 20 },
  Q5_0: { values: 32, bytes: 22 },
  Q5_1: { values: 32, bytes: 24 },
  Q8_0: { values: 32, bytes: 34 },
  Q2_K: { values: 256, bytes: 84 },
  Q3_K: { values: 256, bytes: 110 },
  Q4_K: { values: 256, bytes: 144 },
  Q5_K: { values: 256, bytes: 176 },
  Q6_K: { values: 256, bytes: 210 },
  Q8_K: { values: 256, bytes: 292 },
} as const;

export type QuantisedType = keyof typeof quantisedTypes;

export function isQuantised(type: DType | QuantisedType | 'bnb4'): type is QuantisedType {
  return Object.hasOwn(quantisedTypes, type);
}

/** By the number that a GGUF file writes. */
export const ggufTypes: ReadonlyMap<number, DType | QuantisedType> = new Map<number, DType | QuantisedType>([
  [0, 'f32'],
  [1, 'f16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [24, 'i8'],
  [25, 'i16'],
  [26, 'i32'],
  [27, 'i64'],
  [28, 'f64'],
  [30, 'bf16'],
]);

/** Types that are not read, so that a message can name them. */
export const otherGgufTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};
