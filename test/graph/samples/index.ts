/** Operands and attributes on which every op of the table is tried, small and awkward. */

import type { OpName } from '../../../src/graph/index.js';
import type { Dim, Shape } from '../../../src/tensor/index.js';
import {
  apart,
  below,
  bool,
  distinct,
  f32,
  given,
  i32,
  i64,
  jump,
  normal,
  type OperandSample,
  of,
  one,
  positive,
  type Sample,
  type Source,
  turned,
  unary,
  using,
} from './operands.js';

const pairs: readonly [Shape, Shape][] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [[], [2, 2]],
  [[2, 1, 3], []],
  [
    [2, 1, 3],
    [1, 4, 1],
  ],
  [
    ['B', 'T', 3],
    ['T', 1],
  ],
];
/** Two operands that broadcast in every way. */
const broadcast = (left: Source = normal, right: Source = left): Sample[] =>
  pairs.map(([a, b]) => ({ operands: [f32(a, left), f32(b, right)], letters: { B: 2, T: 3 } }));
const whole = (bound: number): Sample => one(i64([2, 3], below(bound)), i64([3], given(1, 2, 3)));
/** Two operands with no value in common, so that neither is the larger by a hair. */
const odd: Source = (size, random) => distinct(size, random).map((x) => x + 0.07);
const tie: Sample = { ...one(f32([3], given(1, 2, 3)), f32([3], given(1, 3, 2))), smooth: false };
const u8 = (shape: Shape): OperandSample => of('u8')(shape, below(256));
const signed: Source = (n, random) => below(255)(n, random).map((x) => x - 127);
const i8 = (shape: Shape, values: Source = signed): OperandSample => of('i8')(shape, values);
/** Whole numbers from -127 to `top`, both in every eight: rounding to eight bits leaves them as they are. */
const upTo =
  (top: number): Source =>
  (size, random) =>
    below(255)(size, random).map((x, i) => (i % 8 === 0 ? top : i % 8 === 1 ? -127 : x - 127));
const eightBits = upTo(127);
const blocks = (K: number, N: number) => ({ K, N, bits: 4, block_size: 32, accuracy_level: 4 });
const table = { bits: 4, block_size: 32, gather_axis: 0, quantize_axis: 1 };
const held = { bits: 4, block_size: 32 };
const comparison: Sample[] = [
  ...broadcast(distinct, odd),
  tie,
  one(i64([4], given(1, 2, 3, -4)), i64([4], given(1, 3, 2, -4))),
  one(i32([2], given(1, 2)), i32([], given(2))),
];
const logical: Sample[] = [one(bool([2, 3]), bool([3])), one(bool([]), bool([4]))];

const reduction = (values: Source): Sample[] => [
  using({ axes: [2], keepdims: 0 }, f32([2, 3, 4], values)),
  using({ axes: [0, 1], keepdims: 0 }, f32([2, 3, 4], values)),
  using({ axes: [0, 2], keepdims: 1 }, f32([2, 3, 4], values)),
  using({ axes: [0, 1], keepdims: 0 }, f32([2, 3], values)),
  using({ axes: [1], keepdims: 0 }, f32([2, 1, 3], values)),
  { ...using({ axes: [0, 1], keepdims: 0 }, f32(['B', 'T', 2], values)), letters: { B: 2, T: 3 } },
  { ...using({ axes: [1], keepdims: 1 }, f32(['B', 'P+T'], values)), letters: { B: 2, T: 3, P: 1 } },
];
const softmax: Sample[] = [
  using({ axis: 1 }, f32([2, 5])),
  using({ axis: 1 }, f32([2, 3, 4])),
  { ...using({ axis: 2 }, f32(['B', 'T', 'T'])), letters: { B: 2, T: 3 } },
  { ...using({ axis: 0 }, f32([3], given(1e4, 0, -1e4))), smooth: false },
];

const window = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
const space = { strides: [1, 1, 1], pads: [0, 0, 0, 0, 0, 0], dilations: [1, 1, 1], group: 1 };
const line = { strides: [1], pads: [0, 0], dilations: [1], group: 1 };
const resize = (mode: string, coordinates: string, from: Shape, sizes: Shape): Sample => ({
  operands: [f32(from), null, null],
  attributes: {
    sizes,
    mode,
    coordinate_transformation_mode: coordinates,
    cubic_coeff_a: -0.75,
    nearest_mode: 'floor',
  },
  letters: { B: 2 },
});
const heads = { num_heads: 4, kv_num_heads: 2, scale: 0.3 };
const cache = (batch: number, past: Dim): OperandSample => f32([batch, 2, past, 16]);

/** Steps of eight bits that hold numbers up to between 1.3 and 3.8: some of the new keys and values are cut. */
const steps = (count: number): OperandSample =>
  f32([count], (size, random) => Array.from({ length: size }, () => 0.01 + 0.02 * random.uniform()));
interface EightBits {
  readonly batch: number;
  readonly tokens: number;
  /** Places filled before, and those of the present cache. */
  readonly past: Dim;
  readonly present: Dim;
  readonly last: readonly number[];
  readonly by?: 'PER_CHANNEL' | 'PER_TENSOR';
  readonly more?: Sample['attributes'];
}
function eightBitCache({ batch, tokens, past, present, last, by = 'PER_CHANNEL', more = {} }: EightBits): Sample {
  const before = i8([batch, 2, past, 16]);
  const count = by === 'PER_CHANNEL' ? 32 : 1;
  return {
    operands: [
      ...[f32([batch, tokens, 64]), f32([batch, tokens, 32]), f32([batch, tokens, 32]), before, before],
      ...[i32([batch], given(...last)), i32([], given(Math.max(...last) + 1)), null, null, null, null, null],
      ...[steps(count), steps(count)],
    ],
    attributes: {
      ...heads,
      ...{ do_rotary: 0, k_quant_type: by, v_quant_type: by, kv_cache_bit_width: 8, present: [present] },
      ...more,
    },
    letters: { P: 5 },
  };
}
/** A cache in eight bits: prompts, one of them padded; single tokens of rows of different lengths; several behind others. */
const eightBitCaches: readonly Sample[] = [
  eightBitCache({ batch: 2, tokens: 6, past: 0, present: 6, last: [5, 3] }),
  eightBitCache({ batch: 2, tokens: 6, past: 0, present: 6, last: [5, 3], by: 'PER_TENSOR' }),
  eightBitCache({ batch: 2, tokens: 1, past: 'P', present: 'P+1', last: [5, 2] }),
  eightBitCache({ batch: 2, tokens: 1, past: 'P', present: 'P+1', last: [5, 2], by: 'PER_TENSOR' }),
  eightBitCache({ batch: 1, tokens: 3, past: 'P', present: 'P+3', last: [7] }),
  eightBitCache({ batch: 1, tokens: 3, past: 'P', present: 'P+3', last: [7], more: { local_window_size: 3 } }),
  eightBitCache({ batch: 2, tokens: 1, past: 'P', present: 'P+1', last: [5, 2], more: { softcap: 0.5 } }),
];

export const samples = {
  Neg: [...unary(normal), one(i64([3], given(1, -2, 0)))],
  Abs: [...unary(apart), jump(0, -1)],
  Exp: unary(normal),
  Log: unary(positive),
  Sqrt: unary(positive),
  Reciprocal: unary(apart),
  Tanh: unary(normal),
  Sigmoid: [...unary(normal), one(f32([3], given(-20, 0, 20)))],
  Softplus: [...unary(normal), one(f32([3], given(-20, 0, 20)))],
  Erf: unary(normal),
  Sin: unary(normal),
  Cos: unary(normal),
  Relu: [...unary(apart), jump(0, -0, 1)],
  Gelu: ['none', 'tanh'].flatMap((approximate) =>
    [...unary(normal), one(f32([4], given(-6, -1, 3, 8)))].map((sample) => ({
      ...sample,
      attributes: { approximate },
    })),
  ),
  QuickGelu: [1, 1.702].flatMap((alpha) =>
    [...unary(normal), one(f32([4], given(-9, -1, 3, 8)))].map((sample) => ({ ...sample, attributes: { alpha } })),
  ),
  Sign: [...unary(apart), jump(0, -3, 2), one(i64([3], given(-2, 0, 5)))],
  Floor: [...unary(apart), jump(-1.5, 2, -0.5)],
  Round: [...unary((size, random) => distinct(size, random).map((x) => x + 0.02)), jump(0.5, 1.5, 2.5, -0.5, -1.5)],
  Not: [one(bool([2, 3])), one(bool([]))],
  Detach: unary(normal),

  Add: [...broadcast(), whole(9), one(i32([2, 1], below(9)), i32([2], below(9)))],
  Sub: [...broadcast(), whole(9)],
  Mul: [...broadcast(), whole(9)],
  Div: [...broadcast(normal, apart), whole(9)],
  Pow: [...broadcast(positive, normal), { operands: [f32([3], apart), f32([], given(2))], smooth: false }],
  Min: [...broadcast(distinct, odd), tie, whole(4)],
  Max: [...broadcast(distinct, odd), tie, whole(4)],
  Mod: [one(i64([4], given(7, -7, 6, 0)), i64([], given(3))), one(i32([2, 1], below(9)), i32([2], given(2, 5)))],
  Equal: [...comparison, one(bool([4]), bool([4]))],
  Less: comparison,
  LessOrEqual: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  And: logical,
  Or: logical,
  Where: [
    one(bool([2, 3]), f32([2, 3]), f32([2, 3])),
    one(bool([2, 1]), f32([3]), f32([])),
    one(bool([3]), f32([]), f32([2, 1])),
    one(bool([4]), i64([4], below(9)), i64([], given(7))),
    { operands: [bool(['T', 'T']), f32(['B', 'T', 'T']), f32([])], letters: { B: 2, T: 3 } },
  ],
  Cast: [
    using({ to: 'f64' }, f32([2, 3])),
    using({ to: 'f64' }, of('f64')([2, 3])),
    { ...using({ to: 'i64' }, f32([5], given(-1.5, 0.25, 2.75, 3, 1e6))), smooth: false },
    { ...using({ to: 'bool' }, f32([3], given(0, -0.5, 2))), smooth: false },
    { ...using({ to: 'bf16' }, f32([6], given(1.0005, -70000.5, 1e-7, 0.1, 2049, 1 / 3))), smooth: false },
    { ...using({ to: 'f16' }, f32([6], given(1.0005, -6000.5, 1e-7, 0.1, 2049, 1 / 3))), smooth: false },
    using({ to: 'f32' }, i64([3], given(-1, 0, 7))),
    using({ to: 'f32' }, bool([4])),
    using({ to: 'i64' }, bool([4])),
  ],

  Reshape: [
    using({ shape: [4, 6] }, f32([2, 3, 4])),
    using({ shape: [] }, f32([1, 1])),
    using({ shape: [1, 1] }, f32([])),
    { ...using({ shape: ['B*T', 6] }, f32(['B', 'T', 6])), letters: { B: 2, T: 3 } },
    { ...using({ shape: ['B', 'T', 2, 3] }, f32(['B', 'T', 6])), letters: { B: 2, T: 3 } },
    { ...using({ shape: [2, 'B', 3, 'T'] }, f32(['B', 'T', 6])), letters: { B: 2, T: 3 } },
    { ...using({ shape: ['P', 1, 'T'] }, f32(['P', 'T'])), letters: { P: 0, T: 3 } },
    { ...using({ shape: [3, 'P'] }, f32(['P', 3])), letters: { P: 0 } },
    using({ shape: [0, 5] }, f32([3, 0])),
    { ...using({ shape: [2, 'P+T'] }, f32(['P+T', 2])), letters: { P: 1, T: 3 } },
    { ...using({ shape: ['B*P+B*T'] }, f32(['B', 'P+T'])), binds: [['T']], letters: { B: 2, P: 1, T: 3 } },
  ],
  Transpose: [
    using({ perm: [2, 0, 1] }, f32([2, 3, 4])),
    using({ perm: [1, 0] }, f32([2, 3])),
    { ...using({ perm: [0, 2, 1, 3] }, f32(['B', 'T', 2, 3])), letters: { B: 2, T: 3 } },
    using({ perm: [1, 0] }, i64([2, 3], below(9))),
    { operands: [turned([2, 3, 4], [1, 2, 0])], attributes: { perm: [1, 0, 2] } },
  ],
  Expand: [
    using({ shape: [2, 3, 4] }, f32([3, 1])),
    using({ shape: [2, 3] }, f32([])),
    { ...using({ shape: [2, 'T', 3] }, f32([1, 'T', 1])), letters: { T: 3 } },
    { ...using({ shape: ['P+T', 2] }, f32([1, 2])), binds: [['B', 'P+T'], ['T']], letters: { B: 2, P: 2, T: 1 } },
    { ...using({ shape: ['P', 2] }, f32([1, 2])), binds: [['P']], letters: { P: 0 } },
  ],
  Concat: [
    using({ axis: 1 }, f32([2, 3]), f32([2, 1]), f32([2, 2])),
    { ...using({ axis: 0 }, f32(['P', 2]), f32(['T', 2])), letters: { P: 2, T: 3 } },
    { ...using({ axis: 0 }, f32(['P', 2]), f32(['T', 2])), letters: { P: 0, T: 3 } },
    using({ axis: 0 }, i64([1], below(9)), i64([2], below(9))),
  ],
  Slice: [
    using({ starts: [1], ends: [4], axes: [0], steps: [1] }, f32([5, 3])),
    using({ starts: [1, 0], ends: [5, 3], axes: [0, 1], steps: [2, 1] }, f32([5, 4])),
    using({ starts: [0], ends: [6], axes: [0], steps: [3] }, f32([7])),
    using({ starts: [1], ends: [8], axes: [0], steps: [3] }, f32([8, 2])),
    using({ starts: [1], ends: [1], axes: [0], steps: [1] }, f32([3, 2])),
    {
      ...using({ starts: ['P'], ends: ['P+T'], axes: [0], steps: [1] }, f32(['P+T', 2])),
      binds: [['T']],
      letters: { P: 2, T: 3 },
    },
    {
      ...using({ starts: ['T-1', 0], ends: ['T', 1], axes: [1, 2], steps: [1, 1] }, f32(['B', 'T', 2])),
      letters: { B: 2, T: 3 },
    },
  ],
  Pad: [
    using({ pads: [0, 1, 2, 0] }, f32([2, 3])),
    { ...using({ pads: ['P', 0, 1, 3] }, f32(['T', 2])), binds: [['P']], letters: { P: 2, T: 3 } },
    using({ pads: [1, 1] }, i64([2], below(9))),
  ],
  Range: [
    using({ start: 2, limit: 7, delta: 1 }),
    using({ start: 0, limit: 8, delta: 2 }),
    { ...using({ start: 'P', limit: 'P+T', delta: 1 }), binds: [['P'], ['T']], letters: { P: 2, T: 3 } },
    { ...using({ start: 0, limit: '2*B*T', delta: 1 }), binds: [['B', 'T']], letters: { B: 2, T: 3 } },
  ],
  Identity: [
    using({ dim: 7 }),
    { ...using({ dim: 'B*P-2*T+5' }), binds: [['B', 'P+T'], ['T']], letters: { B: 2, P: 4, T: 3 } },
  ],

  Gather: [
    using({ axis: 0 }, f32([5, 3]), i64([4], given(0, 4, 4, 2))),
    using({ axis: 0 }, f32([5, 3]), i64([2, 3], given(1, 1, 1, 0, -1, 3))),
    using({ axis: 1 }, f32([2, 5, 3]), i32([2, 2], given(1, 4, 4, 0))),
    using({ axis: 1 }, f32([2, 5]), i64([], given(3))),
    { ...using({ axis: 0 }, f32([6, 2]), i64(['B', 'T'], below(6))), letters: { B: 2, T: 3 } },
    { ...using({ axis: 1 }, f32(['B', 'T', 2]), i32([2], given(1, 1))), letters: { B: 2, T: 3 } },
    using({ axis: 0 }, i64([5], below(9)), i64([2], given(4, 0))),
  ],
  GatherElements: [
    using({ axis: 1 }, f32([3, 4]), i64([3, 2], below(4))),
    using({ axis: 0 }, f32([3, 4]), i32([5, 3], below(3))),
    { ...using({ axis: 1 }, f32(['N', 5]), i64(['N', 1], below(5))), letters: { N: 3 } },
  ],
  GatherND: [
    one(f32([3, 4, 2]), i64([3, 2], given(0, 1, 2, 3, 0, 1))),
    one(f32([3, 2]), i64([2, 2, 1], given(0, 2, 2, 1))),
    { ...one(f32(['B', 'T', 2]), i64(['N', 2], below(2))), letters: { B: 2, T: 3, N: 4 } },
  ],
  ScatterElements: [
    using({ axis: 1, reduction: 'none' }, f32([3, 4]), i64([3, 2], given(0, 3, 1, 2, 2, 0)), f32([3, 2])),
    using({ axis: 0, reduction: 'none' }, f32([3, 4]), i64([2, 4], given(0, 1, 2, 0, 1, 0, 0, 2)), f32([2, 4])),
    using({ axis: 0, reduction: 'add' }, f32([3, 4]), i64([5, 3], below(3)), f32([5, 3])),
    using({ axis: 0, reduction: 'add' }, f32([3]), i32([4], given(1, 1, -1, 1)), f32([4])),
  ],
  ScatterND: [
    one(f32([4, 2]), i64([2, 1], given(3, 1)), f32([2, 2])),
    one(f32([3, 4]), i64([3, 2], given(0, 1, 2, 3, 1, 1)), f32([3])),
  ],
  TopK: [
    using({ k: [3], axis: 1 }, f32([2, 5], distinct)),
    using({ k: [1], axis: 0 }, f32([4, 2], distinct)),
    { ...using({ k: [2], axis: 1 }, f32(['B', 6], distinct)), letters: { B: 3 } },
    { ...using({ k: [2], axis: 0 }, f32([5], given(1, 3, 3, 0, 3))), smooth: false },
  ],
  ArgMax: [
    using({ axis: 1, keepdims: 0 }, f32([2, 5], distinct)),
    using({ axis: 0, keepdims: 1 }, f32([4, 2], distinct)),
    { ...using({ axis: 0, keepdims: 0 }, f32([5], given(1, 3, 3, 0, 3))), smooth: false },
  ],
  CumSum: [0, 1].flatMap((exclusive) =>
    [0, 1].flatMap((reverse) => [
      using({ axis: 1, exclusive, reverse }, f32([2, 4])),
      { ...using({ axis: 0, exclusive, reverse }, f32(['T', 2])), letters: { T: 3 } },
      using({ axis: 0, exclusive, reverse }, i64([5], below(9))),
    ]),
  ),

  ReduceSum: [...reduction(normal), using({ axes: [1], keepdims: 0 }, i64([2, 3], below(9)))],
  ReduceMean: reduction(normal),
  ReduceMax: [...reduction(distinct), using({ axes: [0], keepdims: 0 }, f32([4], given(1, 3, 3, 0)))],
  ReduceMin: [...reduction(distinct), using({ axes: [0], keepdims: 0 }, f32([4], given(0, 3, 3, 0)))],
  Softmax: softmax,
  LogSoftmax: softmax,
  SoftmaxCrossEntropyLoss: [
    using({ reduction: 'none', ignore_index: -100 }, f32([4, 5]), i64([4], below(5))),
    {
      ...using({ reduction: 'none', ignore_index: -100 }, f32(['N', 3]), i64(['N'], given(2, -100, 0, 1, -100))),
      letters: { N: 5 },
    },
    using({ reduction: 'none', ignore_index: 0 }, f32([3, 4]), i64([3], given(0, 1, 0))),
  ],

  MatMul: [
    one(f32([2, 3]), f32([3, 4])),
    one(f32([2, 5, 3]), f32([3, 4])),
    one(f32([5, 3]), f32([2, 3, 4])),
    one(f32([2, 1, 2, 3]), f32([3, 3, 4])),
    one(f32([2, 1, 2, 3]), f32([1, 3, 3, 4])),
    one(f32([1, 3]), f32([3, 1])),
    { operands: [f32(['B', 'T', 3]), f32([3, 4])], letters: { B: 2, T: 3 } },
    { operands: [f32(['B', 2, 'T', 4]), f32(['B', 2, 4, 'T'])], letters: { B: 2, T: 3 } },
    { operands: [f32(['B', 'T', 3]), turned([3, 4], [1, 0])], letters: { B: 2, T: 3 } },
    { operands: [turned([2, 3], [1, 0]), turned([3, 4], [1, 0])] },
    { operands: [turned([2, 2, 3], [0, 2, 1]), f32([3, 4])] },
    { operands: [f32([2, 3]), turned([2, 3, 4], [0, 2, 1])] },
    { operands: [turned([2, 1, 2, 3], [0, 1, 3, 2]), turned([3, 3, 4], [0, 2, 1])] },
    {
      operands: [turned(['B', 2, 'T', 4], [0, 2, 1, 3]), turned(['B', 2, 4, 'T'], [0, 3, 1, 2])],
      letters: { B: 2, T: 3 },
    },
  ],
  Conv: [
    using(window, f32([2, 3, 5, 4]), f32([4, 3, 3, 2])),
    using({ strides: [2, 3], pads: [1, 0, 2, 1], dilations: [1, 2], group: 2 }, f32([2, 4, 6, 5]), f32([6, 2, 3, 2])),
    using({ ...window, strides: [3, 3] }, f32([1, 2, 7, 8]), f32([3, 2, 2, 2])),
    using({ ...window, strides: [1, 3], dilations: [2, 1] }, f32([2, 2, 6, 9]), f32([3, 2, 2, 3])),
    using({ ...space, strides: [1, 2, 3], dilations: [2, 1, 1] }, f32([1, 2, 4, 4, 6]), f32([2, 2, 2, 3, 2])),
    using({ ...window, strides: [2, 2] }, f32([2, 3, 4, 4]), f32([2, 3, 2, 2])),
    using({ ...window, group: 3, pads: [1, 1, 1, 1] }, f32([2, 3, 5, 5]), f32([3, 1, 3, 3])),
    using(window, f32([2, 3, 4, 4]), f32([5, 3, 1, 1])),
    { ...using({ ...window, strides: [2, 2] }, f32(['B', 2, 5, 5]), f32([3, 2, 3, 3])), letters: { B: 2 } },
    using({ ...line, strides: [2], pads: [1, 1] }, f32([2, 3, 8]), f32([4, 3, 3])),
    using({ strides: [2], pads: [0, 1], dilations: [3], group: 2 }, f32([2, 4, 9]), f32([4, 2, 3])),
    { ...using({ ...line, pads: [2, 0] }, f32(['B', 2, 'T']), f32([3, 2, 3])), letters: { B: 2, T: 4 } },
    {
      ...using({ strides: [1], pads: [2, 2], dilations: [2], group: 2 }, f32(['B', 2, 'T']), f32([2, 1, 3])),
      letters: { B: 2, T: 4 },
    },
    // With this many channels the weight's gradient is a product for each place of the kernel.
    using({ strides: [2], pads: [1, 0], dilations: [2], group: 1 }, f32([2, 16, 9]), f32([3, 16, 3])),
    {
      ...using({ ...line, pads: [0, 2], dilations: [2] }, f32(['B', 16, 'T']), f32([2, 16, 2])),
      letters: { B: 2, T: 4 },
    },
    {
      ...using(
        { strides: [2, 1], pads: [1, 0, 0, 1], dilations: [1, 2], group: 1 },
        f32(['B', 16, 4, 3]),
        f32([2, 16, 3, 2]),
      ),
      letters: { B: 2 },
    },
    // With lengths in letters the input's gradient is a convolution by the turned weight.
    {
      ...using(
        { strides: [1, 1], pads: [1, 0, 2, 1], dilations: [1, 2], group: 1 },
        f32(['B', 2, 'H', 4]),
        f32([3, 2, 4, 2]),
      ),
      letters: { B: 2, H: 3 },
    },
  ],
  ConvTranspose: [
    using({ ...window, output_padding: [0, 0] }, f32([2, 3, 3, 4]), f32([3, 2, 3, 2])),
    using(
      { strides: [2, 3], pads: [1, 0, 0, 1], dilations: [1, 2], group: 2, output_padding: [1, 2] },
      f32([2, 4, 3, 3]),
      f32([4, 3, 3, 2]),
    ),
    using({ ...window, strides: [2, 2], output_padding: [0, 0] }, f32([1, 2, 3, 3]), f32([2, 3, 2, 2])),
    using(
      { ...space, strides: [1, 2, 3], dilations: [2, 1, 1], output_padding: [0, 1, 2] },
      f32([1, 2, 2, 2, 2]),
      f32([2, 2, 2, 3, 2]),
    ),
    using({ ...line, strides: [2], pads: [1, 1], output_padding: [0] }, f32([2, 3, 4]), f32([3, 2, 4])),
    { ...using({ ...line, strides: [3], output_padding: [1] }, f32(['B', 3, 4]), f32([3, 2, 3])), letters: { B: 2 } },
    {
      ...using({ ...line, pads: [1, 1], output_padding: [0] }, f32(['B', 2, 'T']), f32([2, 3, 3])),
      letters: { B: 2, T: 4 },
    },
  ],

  LayerNormalization: [
    using({ axis: -1, epsilon: 1e-5 }, f32([2, 3, 4]), f32([4]), f32([4])),
    using({ axis: -1, epsilon: 0.1 }, f32([3, 5]), f32([5])),
    { ...using({ axis: -1, epsilon: 1e-6 }, f32(['B', 'T', 4]), f32([4]), f32([4])), letters: { B: 2, T: 3 } },
  ],
  SimplifiedLayerNormalization: [
    using({ axis: -1, epsilon: 1e-5 }, f32([2, 3, 4]), f32([4])),
    { ...using({ axis: -1, epsilon: 0.1 }, f32(['B', 'T', 4]), f32([4])), letters: { B: 2, T: 3 } },
  ],
  InstanceNormalization: [
    using({ epsilon: 1e-5 }, f32([2, 3, 4]), f32([3]), f32([3])),
    using({ epsilon: 0.1 }, f32([2, 2, 3, 2]), f32([2]), f32([2])),
    { ...using({ epsilon: 1e-5 }, f32(['B', 2, 'T']), f32([2]), f32([2])), letters: { B: 2, T: 5 } },
  ],

  AveragePool: [
    using({ kernel_shape: [2, 3], strides: [2, 3], pads: [0, 0, 0, 0], count_include_pad: 1 }, f32([2, 3, 4, 6])),
    using({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 1], count_include_pad: 1 }, f32([1, 2, 6, 7])),
    {
      ...using({ kernel_shape: [2], strides: [3], pads: [0, 0], count_include_pad: 1 }, f32(['B', 2, 7])),
      letters: { B: 2 },
    },
  ],
  MaxPool: [
    using({ kernel_shape: [2, 3], strides: [2, 3], pads: [0, 0, 0, 0] }, f32([2, 3, 4, 6], distinct)),
    using({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 1] }, f32([1, 2, 6, 7], distinct)),
    { ...using({ kernel_shape: [3], strides: [2], pads: [1, 1] }, f32(['B', 2, 7], distinct)), letters: { B: 2 } },
    { ...using({ kernel_shape: [2], strides: [2], pads: [0, 0] }, f32([1, 1, 4], given(1, 1, 0, 1))), smooth: false },
  ],
  Resize: [
    resize('nearest', 'asymmetric', [1, 2, 3, 2], [1, 2, 6, 4]),
    resize('nearest', 'asymmetric', [1, 2, 6, 10], [1, 2, 14, 7]),
    resize('nearest', 'half_pixel', [1, 1, 4, 3], [1, 1, 2, 5]),
    resize('linear', 'half_pixel', [1, 2, 3, 4], [1, 2, 7, 6]),
    resize('linear', 'half_pixel', ['B', 2, 6, 5], ['B', 2, 4, 5]),
    resize('linear', 'align_corners', [1, 2, 3, 4], [1, 2, 5, 1]),
    resize('linear', 'half_pixel', [1, 2, 5], [1, 2, 8]),
    resize('cubic', 'half_pixel', ['B', 2, 4, 3], ['B', 2, 7, 6]),
    resize('cubic', 'half_pixel', [1, 1, 6, 6], [1, 1, 4, 3]),
    resize('cubic', 'align_corners', [1, 1, 4, 4], [1, 1, 6, 7]),
  ],

  RotaryEmbedding: [
    { ...using({ num_heads: 2 }, f32([2, 3, 8]), f32([2, 3, 2]), f32([2, 3, 2])), frozen: [1, 2] },
    {
      ...using({ num_heads: 3 }, f32(['B', 'T', 18]), f32(['B', 'T', 3]), f32(['B', 'T', 3])),
      letters: { B: 1, T: 4 },
      frozen: [1, 2],
    },
    {
      ...using({ num_heads: 2, rotary_embedding_dim: 6 }, f32(['B', 'T', 20]), f32(['B', 'T', 3]), f32(['B', 'T', 3])),
      letters: { B: 2, T: 3 },
      frozen: [1, 2],
    },
  ],

  GroupQueryAttention: [
    {
      operands: [
        ...[f32([2, 3, 64]), f32([2, 3, 32]), f32([2, 3, 32]), cache(2, 0), cache(2, 0)],
        ...[i32([2], given(2, 2)), i32([], given(3))],
      ],
      attributes: { ...heads, do_rotary: 0, present: [3] },
    },
    {
      operands: [
        // A cache that grows has a letter for its length: onnxruntime-web takes one of fixed length for a shared one.
        ...[f32([2, 1, 64]), f32([2, 1, 32]), f32([2, 1, 32]), cache(2, 'P'), cache(2, 'P')],
        ...[i32([2], given(3, 3)), i32([], given(4))],
      ],
      attributes: { ...heads, do_rotary: 0, present: ['P+1'] },
      letters: { P: 3 },
    },
    {
      operands: [
        ...[f32(['B', 'T', 64]), f32(['B', 'T', 32]), f32(['B', 'T', 32])],
        ...[f32(['B', 2, 'P', 16]), f32(['B', 2, 'P', 16])],
        ...[i32(['B'], given(4)), i32([], given(5)), f32([8, 8], positive), f32([8, 8])],
      ],
      attributes: { ...heads, do_rotary: 1, present: ['P+T'] },
      letters: { B: 1, T: 2, P: 3 },
    },
    {
      // Rows of different lengths in one step of decoding.
      operands: [
        ...[f32([2, 1, 64]), f32([2, 1, 32]), f32([2, 1, 32]), cache(2, 'P'), cache(2, 'P')],
        ...[i32([2], given(1, 3)), i32([], given(4)), f32([8, 8], positive), f32([8, 8])],
      ],
      attributes: { ...heads, do_rotary: 1, present: ['P+1'] },
      letters: { P: 3 },
    },
    {
      // Tokens that see a window of those before them: a prompt, and a step of decoding.
      operands: [
        ...[f32([1, 6, 64]), f32([1, 6, 32]), f32([1, 6, 32]), cache(1, 0), cache(1, 0)],
        ...[i32([1], given(5)), i32([], given(6))],
      ],
      attributes: { ...heads, do_rotary: 0, local_window_size: 3, present: [6] },
    },
    {
      operands: [
        ...[f32([2, 1, 64]), f32([2, 1, 32]), f32([2, 1, 32]), cache(2, 'P'), cache(2, 'P')],
        ...[i32([2], given(5, 2)), i32([], given(6))],
      ],
      attributes: { ...heads, do_rotary: 0, local_window_size: 3, present: ['P+1'] },
      letters: { P: 5 },
    },
    {
      // Scores that level off, of rows of different lengths; the largest are far beyond the cap.
      operands: [
        ...[f32([2, 1, 64]), f32([2, 1, 32]), f32([2, 1, 32]), cache(2, 'P'), cache(2, 'P')],
        ...[i32([2], given(5, 2)), i32([], given(6))],
      ],
      attributes: { ...heads, do_rotary: 0, softcap: 0.5, present: ['P+1'] },
      letters: { P: 5 },
    },
    ...eightBitCaches,
  ],
  MatMulNBits: [
    using(blocks(32, 3), f32([2, 2, 32], eightBits), u8([3, 1, 16]), f32([3, 1], positive)),
    {
      ...using(blocks(64, 2), f32(['T', 64], eightBits), u8([2, 2, 16]), f32([2, 2], positive)),
      letters: { T: 3 },
    },
    using({ ...blocks(32, 4), bits: 8 }, f32([1, 32], eightBits), u8([4, 1, 32]), f32([4, 1], positive)),
  ],
  // Its weight does not learn. Its gradient: quantised.test.ts.
  NormalFloatProduct: [
    { ...using({ rows: 4 }, f32([2, 3, 32]), u8([2, 32]), f32([2], positive)), frozen: [2] },
    // Blocks lie across rows, and the last one is not whole.
    { ...using({ rows: 3 }, f32(['T', 50]), u8([3, 32]), f32([3], positive)), letters: { T: 2 }, frozen: [2] },
  ],
  GatherBlockQuantized: [
    using(table, u8([5, 32]), i64([2, 2], below(5)), f32([5, 2], positive)),
    using({ ...table, bits: 8 }, u8([5, 64]), i64([3], below(5)), f32([5, 2], positive)),
  ],
  DynamicQuantizeMatMul: [
    one(f32([2, 8], upTo(128)), i8([8, 3]), f32([3], positive)),
    { ...one(f32(['B', 'T', 8], upTo(128)), i8([8, 2]), f32([2], positive)), letters: { B: 2, T: 3 } },
  ],
  // Rows are rounded to 255 steps between nothing and their largest. Its gradient: quantised.test.ts.
  FrozenProduct: [
    {
      ...one(f32([2, 4], given(255, 3, 17, 0, 100, 255, 254, 1)), i8([4, 3]), f32([3], positive), f32([3, 4])),
      smooth: false,
    },
    {
      ...one(f32([2, 2], given(255, 128, 0, 255)), i8([2, 3]), f32([3], positive), i8([3, 2]), f32([2], positive)),
      smooth: false,
    },
  ],
  WholeProduct: [
    {
      ...using(held, f32(['B', 'T', 64]), u8([3, 32]), f32([3, 2], positive), f32([2, 3])),
      ...{ letters: { B: 2, T: 3 }, frozen: [2, 3] },
    },
    { ...using({ ...held, bits: 8 }, f32([2, 32]), u8([5, 32]), f32([5, 1], positive)), frozen: [2] },
  ],
  AttentionWeights: [
    one(f32([2, 2, 3, 4]), f32([2, 2, 5, 4])),
    { ...one(f32(['B', 4, 'T', 3]), f32(['B', 2, 'T', 3]), f32(['B', 1, 'T', 'T'])), letters: { B: 2, T: 3 } },
    one(f32([1, 2, 3, 4]), turned([1, 1, 2, 4], [0, 2, 1, 3]), f32([3, 1])),
  ],
  QuantizeLinear: [
    // Halves are rounded to even numbers, and what is beyond eight bits is cut.
    using(
      { axis: 1 },
      ...[f32([2, 3], given(-1000, 3.2, 2.4, 1000, -3.2, 1.6)), f32([3], given(1, 0.5, 0.1)), i8([3], given(0, 0, 0))],
    ),
    {
      ...using({ axis: 2 }, f32(['B', 'T', 4]), f32([4], positive), i8([4], given(0, 0, 0, 0))),
      letters: { B: 2, T: 3 },
    },
  ],
  DequantizeLinear: [
    using({ axis: 0 }, of('i8')([3, 4], given(-128, 127, 0, 5, 1, 2, 3, 4, -1, -2, -3, -4)), f32([3], positive)),
    using({ axis: 1 }, of('u8')([2, 3], below(256)), f32([3], positive)),
  ],
} satisfies Record<OpName, readonly Sample[]>;
