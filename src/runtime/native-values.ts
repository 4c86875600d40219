/** Values of ONNX Runtime over the host's own memory. */
import koffi from 'koffi';
import { onnxTypes } from '../onnx/index.js';
import { type DType, type HostArray, QuintetError, zerosArray } from '../tensor/index.js';
import type { OrtApi, Pointer } from './native-api.js';

const dtypeOf = new Map<number, DType>(Object.entries(onnxTypes).map(([dtype, type]) => [type, dtype as DType]));

/** Pointers as an array that C code reads or writes. */
export function pointerArray(pointers: readonly Pointer[]): BigUint64Array {
  const result = new BigUint64Array(new ArrayBuffer(8 * pointers.length));
  for (const [i, pointer] of pointers.entries()) result[i] = pointer;
  return result;
}

/** Names as C strings: pointers into one block of bytes, which lives as long as this record does. */
export interface Names {
  readonly bytes: Uint8Array;
  readonly pointers: ReadonlyMap<string, Pointer>;
}

export function cNames(names: readonly string[]): Names {
  const bytes = new TextEncoder().encode(names.map((name) => `${name}\0`).join(''));
  let next = addressOf(bytes);
  const pointers = new Map<string, Pointer>();
  for (const name of names) {
    pointers.set(name, next);
    next += BigInt(Buffer.byteLength(name) + 1);
  }
  return { bytes, pointers };
}

/** The C string at an address. */
export function cString(pointer: Pointer): string {
  return koffi.decode.string(pointer);
}

/** The address of a typed array's bytes. */
function addressOf(data: ArrayBufferView): Pointer {
  // Small arrays live on V8's heap, which moves them, until their buffer is asked for.
  void data.buffer;
  return koffi.address(data);
}

/** The dimensions of the value being made, which copies them. No tensor has more than 64. */
const dims = new BigInt64Array(new ArrayBuffer(8 * 64));

/** A value over an array's own memory. Whoever releases it also holds the array until then. */
export function valueOver(api: OrtApi, { dtype, shape, data }: HostArray): Pointer {
  return valueOfBytes(api, dtype, shape, data);
}

/** A value over the bytes of an array of the given type. */
export function valueOfBytes(api: OrtApi, dtype: DType, shape: readonly number[], data: ArrayBufferView): Pointer {
  for (let i = 0; i < shape.length; i++) dims[i] = BigInt(shape[i] as number);
  const { hostMemory } = api;
  const type = onnxTypes[dtype];
  return api.make(
    'CreateTensorWithDataAsOrtValue',
    hostMemory,
    addressOf(data),
    data.byteLength,
    dims,
    shape.length,
    type,
  );
}

/** What a value holds, copied into a fresh array. */
export function copyOf(api: OrtApi, value: Pointer): HostArray {
  const info = api.make('GetTensorTypeAndShape', value);
  try {
    const dtype = dtypeOf.get(Number(api.make('GetTensorElementType', info) & 0xffffffffn));
    if (!dtype) throw new QuintetError('engine', 'an output has an element type that Quintet has not');
    const dims = new BigInt64Array(new ArrayBuffer(8 * Number(api.make('GetDimensionsCount', info))));
    api.call('GetDimensions', info, dims, dims.length);
    const result = zerosArray(dtype, Array.from(dims, Number));
    const { byteLength } = result.data;
    if (byteLength > 0) {
      const source = koffi.view(api.make('GetTensorMutableData', value), byteLength);
      new Uint8Array(result.data.buffer).set(new Uint8Array(source));
    }
    return result;
  } finally {
    api.release('ReleaseTensorTypeAndShapeInfo', info);
  }
}
