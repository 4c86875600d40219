/** What a checkpoint is once opened: names, shapes and places of tensors; values are read only when asked for. */

import { type DType, type HostArray, type InitializerSource, nearest, QuintetError } from '../tensor/index.js';
import type { QuantisedType } from './gguf-types.js';
import { quoted } from './json-scanner.js';

/** A parsed JSON object whose fields nobody has checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface StoredTensor {
  readonly name: string;
  /** Of weights that are rounded together with others, what their kind is called. */
  readonly dtype: DType | QuantisedType | 'bnb4';
  /** Row-major, outermost first, whatever order the file writes. */
  readonly shape: readonly number[];
  /** The little-endian values, or the blocks of a quantised type, row by row. */
  readonly source: InitializerSource;
}

export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The files that hold them; none where they lie in memory. */
  readonly files: readonly string[];
  /** A tensor's values; quantised ones as f32. Fails with 'name' where there is no such tensor. */
  read(name: string): Promise<HostArray>;
  /** The same as it is stored: little-endian values, or blocks row by row. */
  readStored(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Some windows of what is stored: enough to tell that other values are another model's. */
  sample(name: string): Promise<readonly Uint8Array[]>;
  /** What the file says about itself: `__metadata__` of safetensors, the key-value pairs of GGUF. */
  readonly metadata: ReadonlyMap<string, unknown>;
  close(): Promise<void>;
}

/** The tensor of that name, or an error that names the nearest one. */
export function tensorNamed<T>(tensors: ReadonlyMap<string, T>, name: string, at: string): T {
  const found = tensors.get(name);
  if (found !== undefined) return found;
  const near = nearest(name, tensors.keys());
  throw new QuintetError('name', `no tensor ${quoted(name)} among ${tensors.size}`, {
    at,
    ...(near === undefined ? {} : { hint: `The nearest name is ${quoted(near)}.` }),
  });
}
