/** Matrix products and convolutions. */

import {
  addDims,
  broadcastShapes,
  type Dim,
  divDims,
  formatShape,
  mulDims,
  productOf,
  QuintetError,
  sizeOf,
  subDims,
} from '../../tensor/index.js';
import { concat, matmul, pad, reshape, slice, swapLast, transpose } from '../functions.js';
import { type Backward, type Operands, type OpRule, operand, rule, type Written } from '../rule.js';
import { apply, type Tensor } from '../tensor.js';

export type ConvAttributes = {
  strides: readonly number[];
  /** Zeros before each spatial axis, then after. */
  pads: readonly number[];
  dilations: readonly number[];
  group: number;
};
export type ConvTransposeAttributes = ConvAttributes & { output_padding: readonly number[] };

function requireSameType(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) throw new QuintetError('dtype', `the operands are ${a.dtype} and ${b.dtype}`);
}

/** Leading axes as one: [..., M, K] -> [rows, K]. */
function asRows(x: Tensor): Tensor {
  return reshape(x, [productOf(x.shape.slice(0, -1)), x.dim(-1)]);
}

function inferMatMul(inputs: Operands) {
  const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
  requireSameType(a, b);
  if (a.rank < 2 || b.rank < 2 || a.dim(-1) !== b.dim(-2)) {
    throw new QuintetError('shape', `${formatShape(a.shape)} times ${formatShape(b.shape)}: inner dimensions differ`);
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return [{ dtype: a.dtype, shape: [...batch, a.dim(-2), b.dim(-1)] }];
}

function matMulGradient({ gradient: g, inputs, wants }: Backward<object>): (Tensor | null)[] {
  const [a, b] = inputs as [Tensor, Tensor];
  const left = wants(0) ? matmul(g, swapLast(b)) : null;
  if (!wants(1)) return [left, null];
  // One product over all rows instead of one a batch, summed.
  if (b.rank === 2 && a.rank > 2) return [left, matmul(swapLast(asRows(a)), asRows(g))];
  return [left, matmul(swapLast(a), g)];
}

/** The operand under a transpose of the last two axes, or undefined. */
function underTranspose({ node, rank }: Tensor): Tensor | undefined {
  if (node.kind !== 'Transpose') return undefined;
  const perm = node.attributes.perm as readonly number[];
  const swapsLast = perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i));
  return swapsLast ? (node.inputs[0] as Tensor) : undefined;
}

/** Transposed operands are read as they lie: weights stored [out, in] need no second copy. */
function fuseTranspose(inputs: Operands): Partial<Written> {
  const plain = inputs.map((x) => underTranspose(x as Tensor));
  if (operand(inputs, 0).dtype !== 'f32' || plain.every((x) => x === undefined)) return {};
  return {
    op: 'FusedMatMul',
    domain: 'com.microsoft',
    inputs: plain.map((x, i) => x ?? operand(inputs, i)),
    attributes: { transA: plain[0] ? 1 : 0, transB: plain[1] ? 1 : 0 },
  };
}

/** How far the places of a kernel reach beyond the padding of an axis. */
function overhang(kernel: Dim, axis: number, { pads, dilations, strides }: ConvAttributes): Dim {
  const padding = (pads[axis] as number) + (pads[axis + strides.length] as number);
  return subDims(mulDims(subDims(kernel, 1), dilations[axis] as number), padding);
}

function convSize(size: Dim, kernel: Dim, axis: number, attributes: ConvAttributes): Dim {
  const stride = attributes.strides[axis] as number;
  const last = subDims(subDims(size, 1), overhang(kernel, axis, attributes));
  if (typeof last === 'number') return Math.floor(last / stride) + 1;
  if (stride === 1) return addDims(last, 1);
  throw new QuintetError('shape', `a convolution over ${size} places needs a stride of 1`);
}

function inferConv(inputs: Operands, attributes: ConvAttributes) {
  const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
  requireSameType(x, w);
  const { group, strides } = attributes;
  const fits = x.rank === strides.length + 2 && w.rank === x.rank && x.dim(1) === mulDims(w.dim(1), group);
  if (!fits || divDims(w.dim(0), group) === undefined) {
    throw new QuintetError(
      'shape',
      `weight ${formatShape(w.shape)} in ${group} groups does not fit input ${formatShape(x.shape)}`,
    );
  }
  const spatial = strides.map((_, i) => convSize(x.dim(i + 2), w.dim(i + 2), i, attributes));
  if (spatial.some((size) => typeof size === 'number' && size < 1)) {
    throw new QuintetError('shape', `the kernel ${formatShape(w.shape)} is larger than ${formatShape(x.shape)}`);
  }
  return [{ dtype: x.dtype, shape: [x.dim(0), w.dim(0), ...spatial] }];
}

/** With fewer channels a product for each place of a kernel costs more than it saves, and so with a larger kernel. */
const fewestChannels = 16;
const largestKernel = 32;
/** With fewer places in a picture it costs more to turn a weight than a convolution saves. */
const fewestPlaces = 300;

/**
 * The gradient of a convolution's weight [O, C/group, ...kernel] from its input [B, C, ...] and its output's gradient
 * [B, O, ...]. The engine's convolutions have long kernels and short rows in it: products are two to four times as fast.
 */
function weightGradient(x: Tensor, g: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const places = sizeOf(kernel);
  const asProducts =
    attributes.group === 1 && (places === 1 || (places <= largestKernel && x.size(1) >= fewestChannels));
  return (asProducts ? gradientByPlaces : gradientByConvolution)(x, g, kernel, attributes);
}

/** Batch and channels change places. */
const channelsFirst = (x: Tensor): Tensor => transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)]);

/** A product for each place of the kernel: of what it sees [C, B ...] with the output's gradient [O, B ...]. */
function gradientByPlaces(x: Tensor, g: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const { strides, pads, dilations } = attributes;
  const [channels, outputs] = [x.size(1), g.size(1)];
  const space = g.shape.slice(2);
  const rows = productOf([g.dim(0), ...space]);
  const slopes = reshape(channelsFirst(g), [outputs, rows]);
  const data = strides.reduce(
    (t, _, i) => pad(t, i + 2, pads[i] as number, pads[i + strides.length] as number),
    channelsFirst(x),
  );
  const products = placesOf(kernel).map((place) => {
    const seen = place.reduce((t, index, i) => {
      const [start, stride] = [index * (dilations[i] as number), strides[i] as number];
      const length = addDims(mulDims(subDims(space[i] as Dim, 1), stride), 1);
      return slice(t, i + 2, start, addDims(start, length), stride);
    }, data);
    return reshape(matmul(slopes, swapLast(reshape(seen, [channels, rows]))), [outputs, 1, channels]);
  });
  return reshape(transpose(concat(products, 1), [0, 2, 1]), [outputs, channels, ...kernel]);
}

/** The indices of each place of a kernel, in the order in which they lie. */
function placesOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}

/** A convolution in which the batch plays the channels, and strides and dilations change places. */
function gradientByConvolution(x: Tensor, g: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const { group, strides, pads, dilations } = attributes;
  const batch = x.dim(0);
  const perGroup = x.size(1) / group;
  const space = x.shape.slice(2);
  const spaceOut = g.shape.slice(2);
  const tail = (offset: number) => space.map((_, i) => i + offset);
  const grouped = transpose(reshape(x, [batch, group, perGroup, ...space]), [2, 1, 0, ...tail(3)]);
  const data = reshape(grouped, [perGroup, mulDims(group, batch), ...space]);
  // Places at the far end that a stride stepped over would make the kernel too long: cut them off.
  const ends = spaceOut.map((size, i) => {
    const reach = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const used = addDims(mulDims(subDims(size, 1), strides[i] as number), reach);
    return subDims(used, addDims(space[i] as Dim, pads[i] as number)) as number; // a length in letters is kept: they cancel
  });
  const cut = ends.reduce((t, end, i) => (end < 0 ? slice(t, i + 2, 0, addDims(space[i] as Dim, end)) : t), data);
  const result = apply('Conv', [cut, channelsFirst(g)], {
    strides: dilations,
    dilations: strides,
    pads: [...pads.slice(0, strides.length), ...ends.map((end) => Math.max(end, 0))],
    group,
  });
  return channelsFirst(result);
}

/**
 * The gradient of a convolution's input x [B, C, ...]. A transposed convolution sums it up on one core; where the kernel
 * takes each place, it is a convolution as well, with the weight turned around.
 */
function inputGradient(x: Tensor, w: Tensor, g: Tensor, attributes: ConvAttributes): Tensor {
  const { group, strides, pads, dilations } = attributes;
  const kernel = w.shape.slice(2) as number[];
  const places = sizeOf(kernel);
  const padding = [0, 1].flatMap((side) =>
    kernel.map((size, i) => (size - 1) * (dilations[i] as number) - (pads[side * kernel.length + i] as number)),
  );
  const space = productOf(x.shape.slice(2));
  const isLarge = typeof space !== 'number' || space >= fewestPlaces;
  const turns = group === 1 && places <= largestKernel && strides.every((stride) => stride === 1);
  if (turns && (places === 1 || isLarge) && padding.every((count) => count >= 0)) {
    return apply('Conv', [g, turned(w, kernel, places)], { ...attributes, pads: padding });
  }
  // Places at the far end that the stride stepped over.
  const output_padding = strides.map((stride, i) => {
    const last = subDims(subDims(x.dim(i + 2), 1), overhang(kernel[i] as number, i, attributes));
    return typeof last === 'number' ? last % stride : 0;
  });
  return apply('ConvTranspose', [g, w], { ...attributes, output_padding });
}

/** A weight [O, C, ...kernel] from the last place of its kernel to the first, [C, O, ...kernel]. */
function turned(w: Tensor, kernel: readonly number[], places: number): Tensor {
  const [outputs, channels] = [w.size(0), w.size(1)];
  const flat = transpose(reshape(w, [outputs, channels, places]), [1, 0, 2]);
  const reversed = Array.from({ length: places }, (_, i) => slice(flat, 2, places - 1 - i, places - i));
  return reshape(concat(reversed, 2), [channels, outputs, ...kernel]);
}

function convGradient({ gradient: g, inputs, attributes, wants }: Backward<ConvAttributes>): (Tensor | null)[] {
  const [x, w] = inputs as [Tensor, Tensor];
  return [
    wants(0) ? inputGradient(x, w, g, attributes) : null,
    wants(1) ? weightGradient(x, g, w.shape.slice(2) as number[], attributes) : null,
  ];
}

function inferConvTranspose(inputs: Operands, attributes: ConvTransposeAttributes) {
  const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
  requireSameType(x, w);
  const { group, strides, output_padding } = attributes;
  const fits = x.rank === strides.length + 2 && w.rank === x.rank && x.dim(1) === w.dim(0);
  if (!fits || divDims(x.dim(1), group) === undefined) {
    throw new QuintetError(
      'shape',
      `weight ${formatShape(w.shape)} in ${group} groups does not fit input ${formatShape(x.shape)}`,
    );
  }
  const spatial = strides.map((stride, i) => {
    const last = addDims(mulDims(subDims(x.dim(i + 2), 1), stride), overhang(w.dim(i + 2), i, attributes));
    return addDims(last, 1 + (output_padding[i] as number));
  });
  return [{ dtype: x.dtype, shape: [x.dim(0), mulDims(w.dim(1), group), ...spatial] }];
}

export const product = {
  MatMul: {
    infer: inferMatMul,
    gradient: matMulGradient,
    write: fuseTranspose,
    products: ([a], [y]) => mulDims(productOf((y as Tensor).shape), (a as Tensor).dim(-1)),
    laidOut: 1,
  },
  /** x [B, C, ...], weight [O, C/group, ...kernel] -> [B, O, ...], one to three spatial axes. */
  Conv: rule<ConvAttributes>({
    infer: inferConv,
    gradient: convGradient,
    products: ([, w], [y]) => mulDims(productOf((y as Tensor).shape), productOf((w as Tensor).shape.slice(1))),
    laidOut: 1,
  }),
  /** x [B, C, ...], weight [C, O/group, ...kernel] -> [B, O, ...]: the gradient of Conv by its input. */
  ConvTranspose: rule<ConvTransposeAttributes>({
    infer: inferConvTranspose,
    products: ([x, w]) => mulDims(productOf((x as Tensor).shape), productOf((w as Tensor).shape.slice(1))),
    gradient: ({ gradient: g, inputs, attributes, wants }): (Tensor | null)[] => {
      const [x, w] = inputs as [Tensor, Tensor];
      const { output_padding: _, ...convolution } = attributes;
      const dx = wants(0) ? apply('Conv', [g, w], convolution) : null;
      return [dx, wants(1) ? weightGradient(g, x, w.shape.slice(2) as number[], convolution) : null];
    },
  }),
} satisfies Record<string, OpRule>;
