/**
 * What model code and gradient rules call: one function an op, and the few compositions that everybody needs.
 *
 * Numbers beside tensors become constants of the tensor's own type. Axes count from the end where negative.
 */
import {
  addDims,
  broadcastShapes,
  type Dim,
  type DType,
  hostArray,
  ignored,
  isFloat,
  mulDims,
  productOf,
  QuintetError,
  type Shape,
  scalar,
  zerosArray,
} from '../tensor/index.js';
import { apply, applyAll, constant, Tensor } from './tensor.js';

export type Operand = Tensor | number;

/** A scalar constant of the type of another tensor. */
export function scalarLike(value: number, like: Tensor): Tensor {
  if (!isFloat(like.dtype) && !Number.isInteger(value)) {
    throw new QuintetError('dtype', `${value} is no ${like.dtype}; cast the tensor first`);
  }
  return constant(scalar(like.dtype, value));
}

function pair(a: Operand, b: Operand): [Tensor, Tensor] {
  if (a instanceof Tensor) return [a, b instanceof Tensor ? b : scalarLike(b, a)];
  if (b instanceof Tensor) return [scalarLike(a, b), b];
  throw new TypeError('at least one operand must be a tensor');
}

function positive(axis: number, x: Tensor): number {
  return axis < 0 ? axis + x.rank : axis;
}

export const neg = (x: Tensor): Tensor => apply('Neg', [x]);
export const abs = (x: Tensor): Tensor => apply('Abs', [x]);
export const exp = (x: Tensor): Tensor => apply('Exp', [x]);
export const log = (x: Tensor): Tensor => apply('Log', [x]);
export const sqrt = (x: Tensor): Tensor => apply('Sqrt', [x]);
export const reciprocal = (x: Tensor): Tensor => apply('Reciprocal', [x]);
export const tanh = (x: Tensor): Tensor => apply('Tanh', [x]);
export const sigmoid = (x: Tensor): Tensor => apply('Sigmoid', [x]);
export const softplus = (x: Tensor): Tensor => apply('Softplus', [x]);
export const erf = (x: Tensor): Tensor => apply('Erf', [x]);
export const sin = (x: Tensor): Tensor => apply('Sin', [x]);
export const cos = (x: Tensor): Tensor => apply('Cos', [x]);
export const relu = (x: Tensor): Tensor => apply('Relu', [x]);
export const sign = (x: Tensor): Tensor => apply('Sign', [x]);
export const floor = (x: Tensor): Tensor => apply('Floor', [x]);
export const round = (x: Tensor): Tensor => apply('Round', [x]);
export const not = (x: Tensor): Tensor => apply('Not', [x]);
/** The same values, through which no gradient passes. */
export const detach = (x: Tensor): Tensor => apply('Detach', [x]);
/** x · Φ(x), exactly or by its tanh approximation. */
export const gelu = (x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor => apply('Gelu', [x], { approximate });
/** x · sigmoid(1.702 x). */
export const quickGelu = (x: Tensor): Tensor => apply('QuickGelu', [x], { alpha: 1.702 });
/** x · sigmoid(x). */
export const silu = (x: Tensor): Tensor => apply('QuickGelu', [x], { alpha: 1 });
export const cast = (x: Tensor, to: DType): Tensor => (x.dtype === to ? x : apply('Cast', [x], { to }));

export const add = (a: Operand, b: Operand): Tensor => apply('Add', pair(a, b));
export const sub = (a: Operand, b: Operand): Tensor => apply('Sub', pair(a, b));
export const mul = (a: Operand, b: Operand): Tensor => apply('Mul', pair(a, b));
export const div = (a: Operand, b: Operand): Tensor => apply('Div', pair(a, b));
export const pow = (a: Operand, b: Operand): Tensor => apply('Pow', pair(a, b));
export const minimum = (a: Operand, b: Operand): Tensor => apply('Min', pair(a, b));
export const maximum = (a: Operand, b: Operand): Tensor => apply('Max', pair(a, b));
export const mod = (a: Operand, b: Operand): Tensor => apply('Mod', pair(a, b));
export const equal = (a: Operand, b: Operand): Tensor => apply('Equal', pair(a, b));
export const less = (a: Operand, b: Operand): Tensor => apply('Less', pair(a, b));
export const lessOrEqual = (a: Operand, b: Operand): Tensor => apply('LessOrEqual', pair(a, b));
export const greater = (a: Operand, b: Operand): Tensor => apply('Greater', pair(a, b));
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => apply('GreaterOrEqual', pair(a, b));
export const and = (a: Tensor, b: Tensor): Tensor => apply('And', [a, b]);
export const or = (a: Tensor, b: Tensor): Tensor => apply('Or', [a, b]);
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor => apply('Where', [condition, ...pair(a, b)]);
/** x held between two numbers; at either the gradient still passes, as in PyTorch. */
export const clip = (x: Tensor, low: number, high: number): Tensor => minimum(high, maximum(low, x));

/** The same elements in another shape. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return apply('Reshape', [x], { shape });
}

/** The axes in another order; without `perm` the last two change places. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  return perm ? apply('Transpose', [x], { perm }) : swapLast(x);
}

export function swapLast(x: Tensor): Tensor {
  const last = x.rank - 1;
  return apply('Transpose', [x], { perm: x.shape.map((_, i) => (i === last ? last - 1 : i === last - 1 ? last : i)) });
}

/** Dimensions of 1 repeated, and new ones in front, to reach a shape. */
export const expand = (x: Tensor, shape: Shape): Tensor => apply('Expand', [x], { shape });

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  return apply('Concat', parts, { axis: positive(axis, parts[0] as Tensor) });
}

/** Elements `start` (inclusive) to `end` (exclusive) of an axis; negative numbers count from its end. */
export function slice(x: Tensor, axis: number, start: Dim, end?: Dim, step = 1): Tensor {
  const at = positive(axis, x);
  const whole = x.dim(at);
  const place = (dim: Dim): Dim => (typeof dim === 'number' && dim < 0 ? addDims(whole, dim) : dim);
  const attributes = {
    starts: [place(start)],
    ends: [end === undefined ? whole : place(end)],
    axes: [at],
    steps: [step],
  };
  return apply('Slice', [x], attributes);
}

/** One element of an axis, which goes. */
export function select(x: Tensor, axis: number, index: number): Tensor {
  const at = positive(axis, x);
  const place = index < 0 ? addDims(x.dim(at), index) : index;
  return squeeze(slice(x, at, place, addDims(place, 1)), at);
}

/** Equal parts of an axis. */
export function split(x: Tensor, parts: number, axis: number): Tensor[] {
  const size = x.size(axis) / parts;
  return Array.from({ length: parts }, (_, i) => slice(x, axis, i * size, (i + 1) * size));
}

export function squeeze(x: Tensor, axis: number): Tensor {
  const at = positive(axis, x);
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/** A new dimension of 1 before the given axis of the result. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank + 1 : axis;
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Axes `from` to `to` (inclusive) as one. */
export function flatten(x: Tensor, from: number, to: number): Tensor {
  const [a, b] = [positive(from, x), positive(to, x)];
  return reshape(x, [...x.shape.slice(0, a), productOf(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)]);
}

/** Zeros before and after one axis. */
export function pad(x: Tensor, axis: number, before: Dim, after: Dim): Tensor {
  const at = positive(axis, x);
  const none: Dim[] = x.shape.map(() => 0);
  const pads = [...none, ...none];
  pads[at] = before;
  pads[at + x.rank] = after;
  return apply('Pad', [x], { pads });
}

export function full(dtype: DType, shape: Shape, value: number): Tensor {
  return expand(constant(scalar(dtype, value)), shape);
}

export const zeros = (dtype: DType, shape: Shape): Tensor => full(dtype, shape, 0);
export const zerosLike = (x: Tensor): Tensor => zeros(x.dtype, x.shape);

/** Whole numbers from start to limit (exclusive), i64. */
export const range = (start: Dim, limit: Dim): Tensor => apply('Range', [], { start, limit, delta: 1 });

/** The product of dimensions as a scalar. */
export function sizeAs(dims: Shape, dtype: DType): Tensor {
  const size = dims.reduce<Dim>(mulDims, 1);
  return typeof size === 'number' ? constant(scalar(dtype, size)) : cast(apply('Identity', [], { dim: size }), dtype);
}

/** The constant tensor of given numbers. */
export function values(dtype: DType, shape: readonly number[], numbers: ArrayLike<number>): Tensor {
  return constant(hostArray(dtype, shape, numbers));
}

export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor =>
  apply('Gather', [x, indices], { axis: positive(axis, x) });
export const gatherElements = (x: Tensor, indices: Tensor, axis: number): Tensor =>
  apply('GatherElements', [x, indices], { axis: positive(axis, x) });
export const gatherND = (x: Tensor, indices: Tensor): Tensor => apply('GatherND', [x, cast(indices, 'i64')]);

interface ScatterOptions {
  readonly axis: number;
  readonly reduction: 'none' | 'add';
}
export const scatterElements = (x: Tensor, indices: Tensor, updates: Tensor, options: ScatterOptions): Tensor =>
  apply('ScatterElements', [x, indices, updates], { ...options, axis: positive(options.axis, x) });
export const scatterND = (x: Tensor, indices: Tensor, updates: Tensor): Tensor =>
  apply('ScatterND', [x, cast(indices, 'i64'), updates]);

export function topK(x: Tensor, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  const [largest, indices] = applyAll('TopK', [x], { k: [k], axis: positive(axis, x) });
  return { values: largest as Tensor, indices: indices as Tensor };
}
export const argMax = (x: Tensor, axis = -1): Tensor => apply('ArgMax', [x], { axis: positive(axis, x), keepdims: 0 });

export function cumSum(x: Tensor, axis: number, { exclusive = false, reverse = false } = {}): Tensor {
  return apply('CumSum', [x], { axis: positive(axis, x), exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 });
}

interface ReduceOptions {
  /** Whether the reduced axes stay as ones. */
  readonly keep?: boolean;
}
function reduction(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin') {
  return (
    x: Tensor,
    axes: readonly number[] = x.shape.map((_, i) => i),
    { keep = false }: ReduceOptions = {},
  ): Tensor =>
    axes.length === 0 ? x : apply(op, [x], { axes: axes.map((axis) => positive(axis, x)), keepdims: keep ? 1 : 0 });
}
/** Reductions over the given axes, default all. */
export const sum = reduction('ReduceSum');
export const mean = reduction('ReduceMean');
export const max = reduction('ReduceMax');
export const min = reduction('ReduceMin');

export const softmax = (x: Tensor, axis = -1): Tensor => apply('Softmax', [x], { axis: positive(axis, x) });
export const logSoftmax = (x: Tensor, axis = -1): Tensor => apply('LogSoftmax', [x], { axis: positive(axis, x) });

/** Cross entropy of scores [N, C] with labels [N], row by row; rows labelled `ignore` give 0. */
export const crossEntropy = (scores: Tensor, labels: Tensor, ignore = ignored): Tensor =>
  apply('SoftmaxCrossEntropyLoss', [scores, labels, logSoftmax(scores)], { reduction: 'none', ignore_index: ignore });

/** [..., M, K] times [..., K, N]; leading axes broadcast. */
export const matmul = (a: Tensor, b: Tensor): Tensor => apply('MatMul', [a, b]);

/** The heads of x [B, H, T, K] as rows of the groups that they belong to -> [B, G, H/G*T, K] */
export function groupRows(x: Tensor, groups: number): Tensor {
  const heads = x.size(1);
  return heads === groups ? x : reshape(x, [x.dim(0), groups, mulDims(heads / groups, x.dim(2)), x.dim(3)]);
}

/**
 * What heads weigh values by: softmax(q kᵀ + mask) of queries [B, H, T, K], keys [B, G, S, K], and a mask that broadcasts to
 * the scores -> [B, H, T, S]
 */
export const attentionWeights = (q: Tensor, k: Tensor, mask: Tensor | null): Tensor =>
  apply('AttentionWeights', mask ? [q, k, mask] : [q, k]);

interface ConvolutionOptions {
  /** Of every spatial axis, or one for each. */
  readonly stride?: number | readonly number[];
  /** Zeros on both sides of every spatial axis, or [before..., after...]. */
  readonly padding?: number | readonly number[];
  /** Of every spatial axis, or one for each. */
  readonly dilation?: number | readonly number[];
  readonly groups?: number;
}
/** A number for each of some places, from one for all or from such a list. */
function numbersFor(name: string, value: number | readonly number[], count: number): readonly number[] {
  if (typeof value === 'number') return new Array<number>(count).fill(value);
  if (value.length === count) return value;
  throw new QuintetError('shape', `${name} [${value.join(', ')}]: give one number, or ${count}`);
}
function convolutionAttributes(x: Tensor, { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvolutionOptions) {
  const axes = x.rank - 2;
  return {
    strides: numbersFor('stride', stride, axes),
    pads: numbersFor('padding', padding, 2 * axes),
    dilations: numbersFor('dilation', dilation, axes),
    group: groups,
  };
}
/** x [B, C, ...], weight [O, C/groups, ...kernel] -> [B, O, ...]. */
export const conv = (x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor =>
  apply('Conv', [x, weight], convolutionAttributes(x, options));
/** x [B, C, ...], weight [C, O/groups, ...kernel] -> [B, O, ...]. */
export function convTranspose(
  x: Tensor,
  weight: Tensor,
  { outputPadding = 0, ...options }: ConvolutionOptions & { readonly outputPadding?: number | readonly number[] } = {},
): Tensor {
  return apply('ConvTranspose', [x, weight], {
    ...convolutionAttributes(x, options),
    output_padding: numbersFor('outputPadding', outputPadding, x.rank - 2),
  });
}

export function layerNormalization(x: Tensor, scale: Tensor, bias: Tensor | null, epsilon: number): Tensor {
  return apply('LayerNormalization', bias ? [x, scale, bias] : [x, scale], { axis: -1, epsilon });
}
export const rmsNormalization = (x: Tensor, scale: Tensor, epsilon: number): Tensor =>
  apply('SimplifiedLayerNormalization', [x, scale], { axis: -1, epsilon });
export const instanceNormalization = (x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): Tensor =>
  apply('InstanceNormalization', [x, scale, bias], { epsilon });

/** x [B, T, H*K] turned by cosines and sines [B, T, R/2], head by head: the first R numbers of each. */
export function rotaryEmbedding(x: Tensor, cosines: Tensor, sines: Tensor, heads: number): Tensor {
  const turned = 2 * cosines.size(-1);
  const part = turned === x.size(-1) / heads ? {} : { rotary_embedding_dim: turned };
  return apply('RotaryEmbedding', [x, cosines, sines], { num_heads: heads, ...part });
}

interface PoolOptions {
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  readonly padding?: number;
}
function poolAttributes({ kernel, stride = kernel, padding = 0 }: PoolOptions) {
  return { kernel_shape: kernel, strides: stride, pads: [...kernel, ...kernel].map(() => padding) };
}
export const averagePool = (x: Tensor, options: PoolOptions): Tensor =>
  apply('AveragePool', [x], { ...poolAttributes(options), count_include_pad: 1 });
export const maxPool = (x: Tensor, options: PoolOptions): Tensor => apply('MaxPool', [x], poolAttributes(options));

/** How codes lie in the blocks of a weight. */
export interface BlockLayout {
  readonly bits: 4 | 8;
  /** Values that share a scale. */
  readonly block: number;
}

/** x [..., K] times the transpose of a weight in blocks, codes [N, K/block, bytes] and scales [N, K/block] -> [..., N] */
export function matmulBlocks(x: Tensor, codes: Tensor, scales: Tensor, { bits, block }: BlockLayout): Tensor {
  const attributes = { K: x.size(-1), N: scales.size(0), bits, block_size: block, accuracy_level: 4 };
  return apply('MatMulNBits', [x, codes, scales], attributes);
}

/** Rows of a table in blocks, codes [N, bytes] and scales [N, K/block], at ids [...] -> [..., K] */
export function gatherBlocks(ids: Tensor, codes: Tensor, scales: Tensor, { bits, block }: BlockLayout): Tensor {
  const attributes = { bits, block_size: block, gather_axis: 0, quantize_axis: 1 };
  return apply('GatherBlockQuantized', [codes, ids, scales], attributes);
}

/** x [..., N] in eight bits: whole multiples of what a step of each channel stands for [N], the nearest that there are. */
export function quantise(x: Tensor, steps: Tensor): Tensor {
  const zeros = constant(zerosArray('i8', [steps.size(0)]));
  return apply('QuantizeLinear', [x, steps, zeros], { axis: x.rank - 1 });
}

/** x [..., K], all of it rounded to eight bits, times codes i8 [K, N] with one scale a column [N] -> [..., N] */
export const matmulColumns = (x: Tensor, codes: Tensor, scales: Tensor): Tensor =>
  apply('DynamicQuantizeMatMul', [x, codes, scales]);

/**
 * x [..., K] times a weight in columns, codes i8 [K, N] and scales [N] -> [..., N]. The engine rounds all of x between its
 * least and its largest value; divided by its own largest magnitude first, each row has a scale of its own.
 */
export function columnProduct(x: Tensor, codes: Tensor, scales: Tensor): Tensor {
  const largest = maximum(max(abs(x), [-1], { keep: true }), 1e-12);
  return mul(matmulColumns(div(x, largest), codes, scales), largest);
}

/**
 * The same for a weight that does not learn, so that gradients pass through: `turned` is the weight the other way round,
 * codes i8 [N, K] and scales [K], or the weight itself [N, K].
 */
export const frozenProduct = (x: Tensor, codes: Tensor, scales: Tensor, turned: readonly Tensor[]): Tensor =>
  apply('FrozenProduct', [x, codes, scales, ...turned]);

interface ResizeOptions {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  /** Where pixels lie: `half_pixel` as PyTorch's align_corners=false; nearest takes `asymmetric`. */
  readonly coordinates?: 'half_pixel' | 'align_corners' | 'asymmetric';
}
/** The spatial axes of x [B, C, ...] resampled to `size`, without antialiasing. */
export function resize(x: Tensor, size: Shape, { mode, coordinates }: ResizeOptions): Tensor {
  return apply('Resize', [x, null, null], {
    sizes: [...x.shape.slice(0, 2), ...size],
    mode,
    coordinate_transformation_mode: coordinates ?? (mode === 'nearest' ? 'asymmetric' : 'half_pixel'),
    cubic_coeff_a: -0.75,
    nearest_mode: 'floor',
  });
}

/** Sums a gradient over the axes along which its tensor was broadcast. */
export function unbroadcast(g: Tensor, shape: Shape): Tensor {
  const extra = g.rank - shape.length;
  const axes = g.shape.flatMap((dim, i) => (i < extra || (shape[i - extra] === 1 && dim !== 1) ? [i] : []));
  return axes.length === 0 ? g : reshape(sum(g, axes), shape);
}

/** The shape that operands broadcast to. */
export const broadcastShape = (...tensors: Tensor[]): Dim[] => broadcastShapes(...tensors.map((t) => t.shape));
