/**
 * Arithmetic over regions of an arena: WebAssembly SIMD, in place.
 *
 * A loop of plain JavaScript takes 11 to 15 ns a parameter for AdamW, elementwise graph ops about 10; this takes under 2.
 * Every address and byte length is a multiple of 64.
 */
import {
  type Code,
  f32x4,
  f64,
  f64x2,
  i32,
  type Variable,
  v128,
  type WasmFunction,
  wasmFunction,
  wasmModule,
  whileLoop,
} from '../tensor/wasm.js';

/** Four f32 numbers. */
const vectorBytes = 16;

/** The next four numbers of a region. */
export interface Four {
  readonly get: Code;
  put(value: Code): Code;
}

/** What a kernel goes over and computes with. */
export interface KernelNames<R extends string, C extends string, L extends string> {
  readonly regions: readonly R[];
  /** Numbers that are the same for all elements. */
  readonly constants?: readonly C[];
  /** Variables of one turn. */
  readonly locals?: readonly L[];
}

/** A function over the same stretch of some regions, four numbers at a time. */
export interface Kernel<R extends string, C extends string> {
  readonly code: WasmFunction;
  readonly regions: readonly R[];
  readonly constants: readonly C[];
}

export function elementwise<R extends string, C extends string = never, L extends string = never>(
  { regions, constants = [], locals = [] }: KernelNames<R, C, L>,
  turn: (x: Readonly<Record<R, Four>> & Readonly<Record<C, Code>> & Readonly<Record<L, Variable>>) => readonly Code[],
): Kernel<R, C> {
  const typed = (names: readonly string[], type: 'i32' | 'f32' | 'v128') =>
    Object.fromEntries(names.map((name) => [name, type]));
  const code = wasmFunction(
    { ...typed(regions, 'i32'), bytes: 'i32', ...typed(constants, 'f32') },
    { offset: 'i32', ...typed(locals, 'v128') },
    (variables) => {
      const { offset, bytes } = variables as { readonly offset: Variable; readonly bytes: Variable };
      const variable = (name: string): Variable => variables[name as keyof typeof variables];
      const four = (name: R): [R, Four] => {
        const address = i32.add(variable(name).get, offset.get);
        return [name, { get: v128.load(address), put: (value) => v128.store(address, value) }];
      };
      const body = turn({
        ...Object.fromEntries(regions.map(four)),
        ...Object.fromEntries(constants.map((name) => [name, f32x4.splat(variable(name).get)])),
        ...Object.fromEntries(locals.map((name) => [name, variable(name)])),
      } as Parameters<typeof turn>[0]);
      const advance = offset.set(i32.add(offset.get, i32.constant(vectorBytes)));
      return whileLoop(i32.lessUnsigned(offset.get, bytes.get), [...body, advance]);
    },
  );
  return { code, regions, constants };
}

/** Where each region's stretch begins. */
type Stretches<R extends string> = Readonly<Record<R, Float32Array>>;

/** A kernel over one memory: the stretches begin where the arrays do, and reach to the end of their padding. */
export type Run<R extends string, C extends string> = (
  stretches: Stretches<R>,
  bytes: number,
  constants: Readonly<Record<C, number>>,
) => void;

type Exported = Readonly<Record<string, (...numbers: number[]) => number>>;

function instantiate(memory: WebAssembly.Memory, functions: Readonly<Record<string, WasmFunction>>): Exported {
  const module = new WebAssembly.Module(wasmModule(functions));
  return new WebAssembly.Instance(module, { host: { memory } }).exports as Exported;
}

export function kernelOver<R extends string, C extends string>(
  memory: WebAssembly.Memory,
  { code, regions, constants }: Kernel<R, C>,
): Run<R, C> {
  const { kernel } = instantiate(memory, { kernel: code });
  return (stretches, bytes, numbers) => {
    const addresses = regions.map((name) => stretches[name].byteOffset);
    kernel?.(...addresses, bytes, ...constants.map((name) => numbers[name]));
  };
}

/** Four sums run side by side, so that an addition need not wait for the one before. */
const sumOfSquares = wasmFunction(
  { address: 'i32', bytes: 'i32' },
  { offset: 'i32', pair: 'v128', a: 'v128', b: 'v128', c: 'v128', d: 'v128' },
  (x) => {
    const addPair = (sum: typeof x.a, index: number) => [
      x.pair.set(f64x2.promote(v128.load64(i32.add(x.address.get, x.offset.get), 8 * index))),
      sum.set(f64x2.add(sum.get, f64x2.mul(x.pair.get, x.pair.get))),
    ];
    const turn = [
      [x.a, x.b, x.c, x.d].map(addPair),
      x.offset.set(i32.add(x.offset.get, i32.constant(2 * vectorBytes))),
    ];
    return [
      whileLoop(i32.lessUnsigned(x.offset.get, x.bytes.get), turn),
      x.a.set(f64x2.add(f64x2.add(x.a.get, x.b.get), f64x2.add(x.c.get, x.d.get))),
      f64.add(f64x2.lane(x.a.get, 0), f64x2.lane(x.a.get, 1)),
    ];
  },
  'f64',
);

const accumulate = elementwise({ regions: ['target', 'source'] }, ({ target, source }) => [
  target.put(f32x4.add(target.get, source.get)),
]);

/** target + share * (source - target): torch's lerp. */
const approach = elementwise({ regions: ['target', 'source'], constants: ['share'] }, ({ target, source, share }) => [
  target.put(f32x4.add(target.get, f32x4.mul(f32x4.sub(source.get, target.get), share))),
]);

/** What a step does with whole regions, besides the optimiser. */
export interface Kernels {
  /** The sum of the squares of f32 numbers, in f64. */
  sumOfSquares(region: Float32Array): number;
  /** target += source, in f32. */
  accumulate(target: Float32Array, source: Float32Array): void;
  /** Moves `target` by a share of its distance towards `source`. */
  approach(target: Float32Array, source: Float32Array, share: number): void;
}

/** The kernels over one memory. */
export function kernelsOver(memory: WebAssembly.Memory): Kernels {
  const sum = instantiate(memory, { sumOfSquares }).sumOfSquares as (...numbers: number[]) => number;
  const [add, follow] = [kernelOver(memory, accumulate), kernelOver(memory, approach)];
  return {
    sumOfSquares: ({ byteOffset, byteLength }) => sum(byteOffset, byteLength),
    accumulate: (target, source) => add({ target, source }, target.byteLength, {}),
    approach: (target, source, share) => follow({ target, source }, target.byteLength, { share }),
  };
}
