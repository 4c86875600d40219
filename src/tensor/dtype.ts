/** Element types: their names, widths in bytes, and the typed array that holds each on the host. */

export const dtypes = {
  f32: { bytes: 4, kind: 'float' },
  f16: { bytes: 2, kind: 'float' },
  bf16: { bytes: 2, kind: 'float' },
  f64: { bytes: 8, kind: 'float' },
  i64: { bytes: 8, kind: 'int' },
  i32: { bytes: 4, kind: 'int' },
  i16: { bytes: 2, kind: 'int' },
  i8: { bytes: 1, kind: 'int' },
  u64: { bytes: 8, kind: 'int' },
  u32: { bytes: 4, kind: 'int' },
  u16: { bytes: 2, kind: 'int' },
  u8: { bytes: 1, kind: 'int' },
  bool: { bytes: 1, kind: 'bool' },
} as const;

export type DType = keyof typeof dtypes;

export function isFloat(dtype: DType): boolean {
  return dtypes[dtype].kind === 'float';
}

export type HostData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** The typed array for each dtype. f16 and bf16 are kept as their raw 16 bits, bool as bytes 0 and 1. */
export const hostArrays = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  f64: Float64Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i16: Int16Array,
  i8: Int8Array,
  u64: BigUint64Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const;

const scratch = new DataView(new ArrayBuffer(4));

/** The f32 value of the 16 bits of an IEEE 754 binary16. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest binary16 (ties to even) of a number, as 16 bits. */
export function f32ToF16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65520 or more
  if (magnitude < 0x38800000) {
    // Subnormal: a multiple of 2^-24, which float64 arithmetic holds exactly.
    return sign | roundTiesToEven(Math.abs(value) * 2 ** 24);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

export function bf16ToF32(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** The nearest bfloat16 (ties to even) of a number, as 16 bits. */
export function f32ToBf16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The nearest whole number, halves going to the even one (Python's round, ONNX's Round). */
export function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
