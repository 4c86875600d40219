/** Host arrays: a dtype, a shape and a flat row-major typed array. What crosses every boundary of the library. */

import { bf16ToF32, type DType, dtypes, f16ToF32, f32ToBf16, f32ToF16, type HostData, hostArrays } from './dtype.js';
import { QuintetError } from './errors.js';

export interface HostArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostData;
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

export function byteSizeOf(dtype: DType, shape: readonly number[]): number {
  return sizeOf(shape) * dtypes[dtype].bytes;
}

/** A host array of zeros on its own buffer (never on V8's heap, so that an engine may hold its address). */
export function zerosArray(dtype: DType, shape: readonly number[]): HostArray {
  return { dtype, shape, data: new hostArrays[dtype](new ArrayBuffer(byteSizeOf(dtype, shape))) };
}

/** A host array of the given numbers, converted to dtype. */
export function hostArray(dtype: DType, shape: readonly number[], values: ArrayLike<number | bigint>): HostArray {
  if (values.length !== sizeOf(shape)) {
    throw new QuintetError('shape', `${values.length} values do not fill the shape [${shape.join(', ')}]`);
  }
  const array = zerosArray(dtype, shape);
  for (let i = 0; i < values.length; i++) setValue(array, i, values[i] as number | bigint);
  return array;
}

export function scalar(dtype: DType, value: number | bigint): HostArray {
  return hostArray(dtype, [], [value]);
}

/** A host array over given bytes, in place where their alignment allows it, otherwise copied. */
export function arrayOfBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): HostArray {
  const size = sizeOf(shape);
  if (bytes.byteLength !== size * dtypes[dtype].bytes) {
    throw new QuintetError(
      'shape',
      `${bytes.byteLength} bytes do not hold ${dtype} [${shape.join(', ')}], which takes ${size * dtypes[dtype].bytes}`,
    );
  }
  const aligned = bytes.byteOffset % dtypes[dtype].bytes === 0 ? bytes : bytes.slice();
  return { dtype, shape, data: new hostArrays[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, size) };
}

export function bytesOf(array: HostArray): Uint8Array {
  return new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength);
}

/** One element as a number (i64 beyond 2^53 loses its low bits). */
export function valueAt(array: HostArray, index: number): number {
  const raw = array.data[index];
  if (raw === undefined) {
    throw new QuintetError('shape', `index ${index} is outside an array of shape [${array.shape.join(', ')}]`);
  }
  if (array.dtype === 'f16') return f16ToF32(raw as number);
  if (array.dtype === 'bf16') return bf16ToF32(raw as number);
  return Number(raw);
}

function setValue(array: HostArray, index: number, value: number | bigint): void {
  const { dtype, data } = array;
  if (dtype === 'i64' || dtype === 'u64') data[index] = typeof value === 'bigint' ? value : BigInt(Math.trunc(value));
  else if (dtype === 'f16') data[index] = f32ToF16(Number(value));
  else if (dtype === 'bf16') data[index] = f32ToBf16(Number(value));
  else data[index] = Number(value);
}

/** The same values in another dtype; the array itself when it already has it. */
export function castArray(array: HostArray, dtype: DType): HostArray {
  if (array.dtype === dtype) return array;
  const result = zerosArray(dtype, array.shape);
  for (let i = 0; i < array.data.length; i++) setValue(result, i, valueAt(array, i));
  return result;
}

/** All elements as a plain list of numbers. */
export function toNumbers(array: HostArray): number[] {
  return Array.from({ length: array.data.length }, (_, i) => valueAt(array, i));
}

/** Rows `from` (inclusive) to `to` (exclusive) of an array, in its memory. */
export function sliceRows({ dtype, shape, data }: HostArray, from: number, to: number): HostArray {
  const [, ...row] = shape;
  const size = sizeOf(row);
  return { dtype, shape: [to - from, ...row], data: data.subarray(from * size, to * size) };
}

/** Arrays of one type and row shape, one after another along the first axis. */
export function concatRows(arrays: readonly HostArray[]): HostArray {
  const [first, ...rest] = arrays;
  if (!first) throw new QuintetError('shape', 'no arrays to join');
  for (const { dtype, shape } of rest) {
    if (dtype !== first.dtype || shape.slice(1).join() !== first.shape.slice(1).join()) {
      throw new QuintetError('shape', `[${shape.join(', ')}] does not join [${first.shape.join(', ')}]`);
    }
  }
  if (rest.length === 0) return first;
  const rows = arrays.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const result = zerosArray(first.dtype, [rows, ...first.shape.slice(1)]);
  const bytes = bytesOf(result);
  let offset = 0;
  for (const array of arrays) {
    bytes.set(bytesOf(array), offset);
    offset += array.data.byteLength;
  }
  return result;
}
