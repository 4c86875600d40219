/**
 * Products with weights that do not learn and are made whole where they are used: for the product, and once more for its
 * gradient. A graph is written with what they consist of.
 */
import { formatShape, normalFloatBlock, QuintetError } from '../../tensor/index.js';
import { type BlockPieces, wholeNormalFloats, wholeWeight } from '../blocks.js';
import { matmul, transpose } from '../functions.js';
import { type Operands, type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';

type BlockAttributes = { bits: 4 | 8; block_size: number };

const piecesOf = (inputs: Operands): BlockPieces => ({
  codes: operand(inputs, 1),
  scales: operand(inputs, 2),
  minima: inputs[3] ?? undefined,
});

const whole = (inputs: Operands, { bits, block_size: block }: BlockAttributes, after: Tensor): Tensor =>
  wholeWeight(piecesOf(inputs), { bits, block }, after);

export const wholes = {
  /**
   * x [..., K] times the transpose of a weight that does not learn, in blocks: codes u8 [N, K*bits/8], of which the middle code
   * stands for 0, times scales [N, C], and where there are some plus minima [C, N] -> [..., N].
   */
  WholeProduct: rule<BlockAttributes>({
    infer: (inputs, { bits, block_size }) => {
      const x = operand(inputs, 0);
      const { codes, scales, minima } = piecesOf(inputs);
      const [rows, count] = [scales.size(0), scales.size(1)];
      const fits =
        codes.dtype === 'u8' &&
        codes.dim(0) === rows &&
        codes.size(1) * 8 === count * block_size * bits &&
        (!minima || (minima.dim(0) === count && minima.dim(1) === rows));
      if (fits && x.dim(-1) === count * block_size) {
        return [{ dtype: 'f32', shape: [...x.shape.slice(0, -1), rows] }];
      }
      throw new QuintetError(
        'shape',
        `${formatShape(x.shape)} times codes ${codes.dtype} ${formatShape(codes.shape)} with scales ${formatShape(scales.shape)}`,
      );
    },
    gradient: ({ gradient: g, inputs, attributes }) => [
      matmul(g, whole(inputs, attributes, g)),
      ...inputs.slice(1).map(() => null),
    ],
    simplify: (inputs, attributes) =>
      matmul(operand(inputs, 0), transpose(whole(inputs, attributes, operand(inputs, 0)))),
  }),

  /**
   * x [..., K] times the transpose of a weight each number of which is one of sixteen (NF4: Dettmers et al., 2023,
   * https://arxiv.org/abs/2305.14314) times the largest magnitude of its block of the flat weight: codes u8 [C, 32], the first
   * of two in the high half of a byte, and magnitudes [C] -> [..., N].
   */
  NormalFloatProduct: rule<{ rows: number }>({
    infer: (inputs, { rows }) => {
      const [x, codes, magnitudes] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      const count = Math.ceil((rows * x.size(-1)) / normalFloatBlock);
      const fits = codes.dtype === 'u8' && codes.dim(0) === count && codes.dim(1) === normalFloatBlock / 2;
      if (fits && magnitudes.dim(0) === count) return [{ dtype: 'f32', shape: [...x.shape.slice(0, -1), rows] }];
      const found = `codes ${formatShape(codes.shape)} and magnitudes ${formatShape(magnitudes.shape)}`;
      throw new QuintetError('shape', `${found} are no weight of ${rows} rows of ${x.dim(-1)}`);
    },
    gradient: ({ gradient: g, inputs, attributes: { rows } }) => {
      const [x, codes, magnitudes] = inputs as readonly [Tensor, Tensor, Tensor];
      return [matmul(g, wholeNormalFloats(codes, magnitudes, [rows, x.size(-1)], g)), null, null];
    },
    simplify: (inputs, { rows }) => {
      const [x, codes, magnitudes] = inputs as readonly [Tensor, Tensor, Tensor];
      return matmul(x, transpose(wholeNormalFloats(codes, magnitudes, [rows, x.size(-1)], x)));
    },
  }),
} satisfies Record<string, OpRule>;
