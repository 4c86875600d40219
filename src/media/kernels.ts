/**
 * What is done to every level of a picture, in WebAssembly. It runs over a memory of its own, into which rows are copied by
 * the block. In plain JavaScript resampling takes about fifteen times as long, and is most of what a picture takes.
 */
import {
  type Code,
  f32,
  i16x8,
  i32,
  i32x4,
  u8x16,
  type Variable,
  v128,
  wasmFunction,
  wasmModule,
  whileLoop,
} from '../tensor/wasm.js';

/** Bits behind the point of a weight: 32 less 8 of the level and 2 of headroom for filters with negative lobes. */
export const fraction = 22;

/** Bytes of a vector, and rows and columns that are turned at once. */
export const vectorBytes = 16;
const lanes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;
type Lane = (typeof lanes)[number];
const half = i32x4.splat(i32.constant(1 << (fraction - 1)));

/**
 * One output row: the weighted sum of rows that are `stride` apart, rounded to levels. Whole vectors are read and written.
 * Additions wrap around at 32 bits as those of Pillow's C do.
 */
const sum = wasmFunction(
  { source: 'i32', stride: 'i32', weights: 'i32', weightsEnd: 'i32', target: 'i32', end: 'i32' },
  { from: 'i32', weight: 'i32', levels: 'v128', a: 'v128', b: 'v128', c: 'v128', d: 'v128', factor: 'v128' },
  (x) => {
    const [low, high] = [i16x8.ofLowBytes(x.levels.get), i16x8.ofHighBytes(x.levels.get)];
    const quarters = [i32x4.ofLowHalf(low), i32x4.ofHighHalf(low), i32x4.ofLowHalf(high), i32x4.ofHighHalf(high)];
    const sums = [x.a, x.b, x.c, x.d];
    const [a, b, c, d] = sums.map(({ get }) => i32x4.shiftRight(get, fraction)) as [Code, Code, Code, Code];
    return whileLoop(i32.lessUnsigned(x.target.get, x.end.get), [
      sums.map(({ set }) => set(half)),
      x.from.set(x.source.get),
      x.weight.set(x.weights.get),
      whileLoop(i32.lessUnsigned(x.weight.get, x.weightsEnd.get), [
        x.levels.set(v128.load(x.from.get)),
        x.factor.set(v128.load32Splat(x.weight.get)),
        sums.map(({ get, set }, i) => set(i32x4.add(get, i32x4.mul(quarters[i] as Code, x.factor.get)))),
        x.from.set(i32.add(x.from.get, x.stride.get)),
        x.weight.set(i32.add(x.weight.get, i32.constant(4))),
      ]),
      v128.store(x.target.get, u8x16.narrow(i16x8.narrow(a, b), i16x8.narrow(c, d))),
      x.source.set(i32.add(x.source.get, i32.constant(vectorBytes))),
      x.target.set(i32.add(x.target.get, i32.constant(vectorBytes))),
    ]);
  },
);

/** Turns sixteen rows on their side, vector by vector: [16, bytes] -> [bytes, 16]. */
const turn = wasmFunction(
  { source: 'i32', end: 'i32', stride: 'i32', target: 'i32', targetStride: 'i32' },
  { at: 'i32', ...vectors('even'), ...vectors('odd') },
  (x) => {
    const [even, odd] = [lanes.map((lane) => x[`even${lane}`]), lanes.map((lane) => x[`odd${lane}`])];
    const walk = (start: Variable, stride: Variable, visit: (lane: number) => Code): Code => [
      x.at.set(start.get),
      lanes.map((lane) => [visit(lane), x.at.set(i32.add(x.at.get, stride.get))]),
    ];
    // Of eight bits, four for the row and four for the place in it, a round makes the first the last.
    const round = (from: readonly Variable[], to: readonly Variable[]): Code =>
      to.map(({ set }, row) => {
        const [upper, lower] = [from[row >> 1], from[(row >> 1) + 8]] as [Variable, Variable];
        const picks = lanes.map((lane) => (lane & 1) * vectorBytes + (row & 1) * 8 + (lane >> 1));
        return set(u8x16.shuffle(upper.get, lower.get, picks));
      });
    return whileLoop(i32.lessUnsigned(x.source.get, x.end.get), [
      walk(x.source, x.stride, (lane) => (even[lane] as Variable).set(v128.load(x.at.get))),
      [round(even, odd), round(odd, even), round(even, odd), round(odd, even)],
      walk(x.target, x.targetStride, (lane) => v128.store(x.at.get, (even[lane] as Variable).get)),
      x.source.set(i32.add(x.source.get, i32.constant(vectorBytes))),
      x.target.set(x.at.get),
    ]);
  },
);

/** A local variable for each of sixteen rows. */
function vectors<N extends string>(name: N): Record<`${N}${Lane}`, 'v128'> {
  return Object.fromEntries(lanes.map((lane) => [`${name}${lane}`, 'v128'])) as Record<`${N}${Lane}`, 'v128'>;
}

/** Pixels as three planes of numbers, by a table of what each level of a channel stands for: [3, 256] at `tables`. */
const spread = wasmFunction(
  { source: 'i32', end: 'i32', tables: 'i32', red: 'i32', planeBytes: 'i32' },
  { target: 'i32', table: 'i32' },
  (x) => {
    const channel = (index: number): Code => [
      f32.store(
        x.target.get,
        f32.load(
          i32.add(x.tables.get, i32.shiftLeft(i32.load8(x.source.get, index), i32.constant(2))),
          index * 4 * 256,
        ),
      ),
      x.target.set(i32.add(x.target.get, x.planeBytes.get)),
    ];
    return whileLoop(i32.lessUnsigned(x.source.get, x.end.get), [
      x.target.set(x.red.get),
      [0, 1, 2].map(channel),
      x.red.set(i32.add(x.red.get, i32.constant(4))),
      x.source.set(i32.add(x.source.get, i32.constant(3))),
    ]);
  },
);

type Kernel = (...numbers: number[]) => void;

interface Kernels extends Record<'sum' | 'turn' | 'spread', Kernel> {
  readonly memory: WebAssembly.Memory;
}

let made: Kernels | undefined;

function makeKernels(): Kernels {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(wasmModule({ sum, turn, spread }));
  const exported = new WebAssembly.Instance(module, { host: { memory } }).exports;
  return { memory, ...(exported as Record<'sum' | 'turn' | 'spread', Kernel>) };
}

const pageBytes = 2 ** 16;

/** Bytes of rows that are worked on at once, unless less than that makes no sense. They stay in a core's own cache. */
export const blockBytes = 2 ** 18;

/** The kernels, and their memory divided into regions of so many bytes, whose addresses are given. What it holds stays. */
export function kernelsWith(
  sizes: readonly number[],
): Kernels & { readonly levels: Uint8Array; readonly at: number[] } {
  made ??= makeKernels();
  const { memory } = made;
  const at = [0];
  for (const size of sizes) at.push((at.at(-1) as number) + wholeVectors(size));
  const missing = (at.at(-1) as number) - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
  return { ...made, levels: new Uint8Array(memory.buffer), at };
}

export function wholeVectors(bytes: number): number {
  return Math.ceil(bytes / vectorBytes) * vectorBytes;
}
