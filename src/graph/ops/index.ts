/** The op table: one record an op, under ONNX's own name. */

import type { OpRule } from '../rule.js';
import { attention } from './attention.js';
import { elementwise } from './elementwise.js';
import { indexing } from './indexing.js';
import { inference } from './inference.js';
import { layout } from './layout.js';
import { norm } from './norm.js';
import { pool } from './pool.js';
import { product } from './product.js';
import { quantised } from './quantised.js';
import { reduce } from './reduce.js';
import { rotary } from './rotary.js';
import { wholes } from './whole.js';

const table = {
  ...elementwise,
  ...layout,
  ...indexing,
  ...reduce,
  ...product,
  ...norm,
  ...pool,
  ...rotary,
  ...inference,
  ...quantised,
  ...wholes,
  ...attention,
};

export type OpName = keyof typeof table;

export const ops: Readonly<Record<OpName, OpRule>> = table;
