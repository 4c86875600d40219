/**
 * Products and look-ups of weights stored as integers. All take the layouts of ONNX Runtime's own kernels.
 *
 * K width of the operand, N rows of the weight, b values in a block, C = K / b blocks in a row
 */
import { type Dim, formatShape, mulDims, productOf, QuintetError, type Shape } from '../../tensor/index.js';
import { columnProduct, matmul, transpose } from '../functions.js';
import { type Operands, type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';

type BlockAttributes = { bits: number; block_size: number };

/** Checks codes [N, ...] that hold `width` values of some bits a row, and their scales [N, C]. */
function checkBlocks(codes: Tensor, scales: Tensor, { bits, block_size }: BlockAttributes): number {
  const width = scales.size(-1) * block_size;
  const bytes = codes.shape.slice(1).reduce<number>((product, dim) => product * (dim as number), 1);
  if (codes.dtype === 'u8' && codes.dim(0) === scales.dim(0) && bytes * 8 === width * bits) return width;
  throw new QuintetError(
    'shape',
    `codes ${codes.dtype} ${formatShape(codes.shape)} and scales ${formatShape(scales.shape)} are no ${bits}-bit blocks of ${block_size}`,
  );
}

function checkWidth(x: Tensor, width: Dim): void {
  if (x.dim(-1) === width) return;
  throw new QuintetError('shape', `${formatShape(x.shape)} times a weight of width ${width}`);
}

/** Checks codes i8 [K, N] and one scale for each of their columns. */
function checkColumns(codes: Tensor, scales: Tensor): void {
  if (codes.dtype === 'i8' && codes.rank === 2 && scales.rank === 1 && scales.dim(0) === codes.dim(1)) return;
  throw new QuintetError(
    'shape',
    `${formatShape(scales.shape)} scales for a weight ${codes.dtype} ${formatShape(codes.shape)}`,
  );
}

function productShape(inputs: Operands, width: Dim, rows: Dim): { dtype: 'f32'; shape: Shape }[] {
  const x = operand(inputs, 0);
  checkWidth(x, width);
  return [{ dtype: 'f32', shape: [...x.shape.slice(0, -1), rows] }];
}

export const quantised = {
  /**
   * x [..., K] times the transpose of a weight in blocks: codes u8 [N, C, b*bits/8], of which the middle code stands for 0,
   * times scales [N, C] -> [..., N]. At accuracy level 4 each block of x is rounded to eight bits as well.
   */
  MatMulNBits: rule<BlockAttributes & { K: number; N: number; accuracy_level: number }>({
    domain: 'com.microsoft',
    gradient: 'none',
    infer: (inputs, attributes) => {
      const scales = operand(inputs, 2);
      return productShape(inputs, checkBlocks(operand(inputs, 1), scales, attributes), scales.dim(0));
    },
  }),

  /** Rows of a table in blocks, codes u8 [N, K*bits/8] and scales [N, C], at ids [...] -> [..., K]. */
  GatherBlockQuantized: rule<BlockAttributes & { gather_axis: number; quantize_axis: number }>({
    domain: 'com.microsoft',
    gradient: 'none',
    infer: (inputs, attributes) => {
      const width = checkBlocks(operand(inputs, 0), operand(inputs, 2), attributes);
      return [{ dtype: 'f32', shape: [...operand(inputs, 1).shape, width] }];
    },
  }),

  /**
   * x [..., K] times a weight i8 [K, N] with one scale a column [N] -> [..., N]. All of x is rounded to eight bits between
   * its least and its largest value.
   */
  DynamicQuantizeMatMul: rule({
    domain: 'com.microsoft',
    gradient: 'none',
    products: ([x], [y]) => mulDims(productOf((y as Tensor).shape), (x as Tensor).dim(-1)),
    laidOut: 1,
    infer: (inputs) => {
      const [weight, scales] = [operand(inputs, 1), operand(inputs, 2)];
      checkColumns(weight, scales);
      return productShape(inputs, weight.dim(0), weight.dim(1));
    },
  }),

  /**
   * x [..., K] times the transpose of a weight that does not learn, codes i8 [K, N] with one scale a column [N] -> [..., N].
   * Rounding has no gradient; the product's own is a product with the same weight the other way round: codes i8 [N, K] with
   * scales [K] or, in place of both, the weight [N, K] itself. A graph is written with what it consists of.
   */
  FrozenProduct: rule({
    infer: (inputs) => {
      const [codes, scales, turned] = [operand(inputs, 1), operand(inputs, 2), operand(inputs, 3)];
      checkColumns(codes, scales);
      if (inputs[4]) checkColumns(turned, inputs[4]);
      if (turned.dim(0) !== codes.dim(1) || turned.dim(1) !== codes.dim(0)) {
        throw new QuintetError('shape', `${formatShape(codes.shape)} is not ${formatShape(turned.shape)} turned`);
      }
      return productShape(inputs, codes.dim(0), codes.dim(1));
    },
    gradient: ({ gradient: g, inputs }) => {
      const [, , , turned, scales] = inputs as readonly [Tensor, Tensor, Tensor, Tensor, Tensor?];
      // As the first operand the weight is read where it is: of a second one the engine would make a copy.
      const slope = scales ? columnProduct(g, turned, scales) : transpose(matmul(transpose(turned), transpose(g)));
      return [slope, null, null, null, null];
    },
    simplify: (inputs) => columnProduct(operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)),
  }),
} satisfies Record<string, OpRule>;
