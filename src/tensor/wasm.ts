/**
 * A small assembler for WebAssembly functions over one imported memory: code is a tree of expressions, bytes come out.
 *
 * WebAssembly Core Specification 2.0 (binary format, chapter 5; vector instructions, section 5.4.8),
 * https://www.w3.org/TR/wasm-core-2/
 */

/** Instructions in the order in which a stack machine runs them: operands first. */
export type Code = readonly (number | Code)[];

const valueTypes = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
type ValueType = keyof typeof valueTypes;

/** A parameter or local variable of a function. */
export interface Variable {
  readonly get: Code;
  set(value: Code): Code;
}

type Variables<T> = { readonly [name in keyof T]: Variable };

/** A whole number in LEB128, unsigned. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

/** A whole number in LEB128, signed. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest < -0x40 || rest >= 0x40) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}

/** Vector instructions share a prefix; their own number follows it. */
const vector = (opcode: number): Code => [0xfd, unsigned(opcode)];
/** Alignment 2^0 promises nothing; the offset is added to the address. */
const memoryAt = (offset: number): Code => [0, unsigned(offset)];
const unary =
  (opcode: Code) =>
  (x: Code): Code => [x, opcode];
const binary =
  (opcode: Code) =>
  (x: Code, y: Code): Code => [x, y, opcode];

export const i32 = {
  constant: (value: number): Code => [0x41, signed(value)],
  /** The byte at an address. */
  load8: (address: Code, offset = 0): Code => [address, 0x2d, memoryAt(offset)],
  add: binary([0x6a]),
  shiftLeft: binary([0x74]),
  lessUnsigned: binary([0x49]),
};

export const f32 = {
  load: (address: Code, offset = 0): Code => [address, 0x2a, memoryAt(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x38, memoryAt(offset)],
};

export const f64 = { add: binary([0xa0]) };

export const v128 = {
  /** Sixteen bytes at an address. */
  load: (address: Code, offset = 0): Code => [address, vector(0x00), memoryAt(offset)],
  /** Eight bytes at an address, followed by eight zero bytes. */
  load64: (address: Code, offset = 0): Code => [address, vector(0x5d), memoryAt(offset)],
  /** Four bytes at an address, four times over. */
  load32Splat: (address: Code, offset = 0): Code => [address, vector(0x09), memoryAt(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, vector(0x0b), memoryAt(offset)],
  and: binary(vector(0x4e)),
};

export const u8x16 = {
  /** Sixteen of the bytes of two vectors, by their numbers from 0 to 31. */
  shuffle: (x: Code, y: Code, picks: readonly number[]): Code => [x, y, vector(0x0d), picks],
  /** Signed 16-bit numbers of two vectors, saturated. */
  narrow: binary(vector(0x66)),
};

export const i16x8 = {
  /** Signed 32-bit numbers of two vectors, saturated. */
  narrow: binary(vector(0x85)),
  /** Of the first eight bytes, and of the last. */
  ofLowBytes: unary(vector(0x89)),
  ofHighBytes: unary(vector(0x8a)),
};

export const i32x4 = {
  splat: unary(vector(0x11)),
  /** Of the first four unsigned 16-bit numbers, and of the last. */
  ofLowHalf: unary(vector(0xa9)),
  ofHighHalf: unary(vector(0xaa)),
  /** Fills up with the sign. */
  shiftRight: (x: Code, bits: number): Code => [x, i32.constant(bits), vector(0xac)],
  add: binary(vector(0xae)),
  mul: binary(vector(0xb5)),
};

export const f32x4 = {
  splat: unary(vector(0x13)),
  /** All bits set where the first is less, else none. */
  less: binary(vector(0x43)),
  abs: unary(vector(0xe0)),
  sqrt: unary(vector(0xe3)),
  add: binary(vector(0xe4)),
  sub: binary(vector(0xe5)),
  mul: binary(vector(0xe6)),
  div: binary(vector(0xe7)),
  max: binary(vector(0xe9)),
};

export const f64x2 = {
  add: binary(vector(0xf0)),
  mul: binary(vector(0xf2)),
  lane: (x: Code, index: 0 | 1): Code => [x, vector(0x21), index],
  /** The first two of four f32 numbers as f64. */
  promote: unary(vector(0x5f)),
};

/** Repeats a body while the condition, computed before each turn, is not zero. */
export function whileLoop(condition: Code, body: Code): Code {
  const enter = [condition, 0x45 /* i32.eqz */, 0x0d, 1 /* br_if out of the block */];
  return [0x02, 0x40, 0x03, 0x40, enter, body, 0x0c, 0 /* br to the loop's head */, 0x0b, 0x0b];
}

export interface WasmFunction {
  readonly parameters: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly result: ValueType | undefined;
  readonly body: Code;
}

/** A function of named parameters and local variables (which start at zero); the body leaves the result, if any. */
export function wasmFunction<P extends Record<string, ValueType>, L extends Record<string, ValueType>>(
  parameters: P,
  locals: L,
  body: (variables: Variables<P & L>) => Code,
  result?: ValueType,
): WasmFunction {
  const variables = Object.keys({ ...parameters, ...locals }).map((name, index): [string, Variable] => [
    name,
    { get: [0x20, unsigned(index)], set: (value) => [value, 0x21, unsigned(index)] },
  ]);
  return {
    parameters: Object.values(parameters),
    locals: Object.values(locals),
    result,
    body: body(Object.fromEntries(variables) as Variables<P & L>),
  };
}

const bytesOfName = (name: string): Code => [unsigned(name.length), [...name].map((char) => char.charCodeAt(0))];
const list = (items: readonly Code[]): Code => [unsigned(items.length), items];

function flatten(code: Code): number[] {
  return (code as readonly unknown[]).flat(Number.POSITIVE_INFINITY) as number[];
}

function sized(code: Code): number[] {
  const bytes = flatten(code);
  return [...unsigned(bytes.length), ...bytes];
}

/** The bytes of a module that exports the functions and imports its memory as `host.memory`. */
export function wasmModule(functions: Readonly<Record<string, WasmFunction>>): Uint8Array<ArrayBuffer> {
  const all = Object.entries(functions);
  const types = all.map(([, { parameters, result }]) => [
    0x60,
    list(parameters.map((type) => [valueTypes[type]])),
    list(result ? [[valueTypes[result]]] : []),
  ]);
  const bodies = all.map(([, { locals, body }]) =>
    sized([list(locals.map((type) => [1, valueTypes[type]])), body, 0x0b]),
  );
  const memory = [bytesOfName('host'), bytesOfName('memory'), 0x02, 0x00, 0x00];
  const sections: [number, readonly Code[]][] = [
    [1, types],
    [2, [memory]],
    [3, all.map((_, index) => unsigned(index))],
    [7, all.map(([name], index) => [bytesOfName(name), 0x00, unsigned(index)])],
    [10, bodies],
  ];
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  return new Uint8Array(flatten([header, sections.map(([id, items]) => [id, sized(list(items))])]));
}
