/**
 * What attention weighs its values by in training: more numbers than all else in a block where texts are long, and a short
 * product to compute them again.
 *
 * B batch, T queries, S keys, H heads, G key-value heads, K head width
 */
import { broadcastShapes, formatShape, QuintetError, sameShape } from '../../tensor/index.js';
import { add, groupRows, matmul, mul, reshape, softmax, sub, sum, swapLast } from '../functions.js';
import { type Attributes, type Operands, type OpRule, operand, rule } from '../rule.js';
import { apply, type Tensor } from '../tensor.js';

/** [B, H, T, S] */
const shapeOf = (q: Tensor, k: Tensor): Tensor['shape'] => [...q.shape.slice(0, -1), k.dim(2)];

function expanded(inputs: Operands, attributes: Attributes): Tensor {
  const [q, k, mask] = [operand(inputs, 0), operand(inputs, 1), inputs[2]];
  // What tells this product from that of the forward pass tells all that follows from it.
  const product = apply('MatMul', [groupRows(q, k.size(1)), swapLast(k)], attributes);
  const scores = reshape(product, shapeOf(q, k));
  return softmax(mask ? add(scores, mask) : scores);
}

export const attention = {
  /**
   * softmax(q kᵀ + mask): queries [B, H, T, K], keys [B, G, S, K], and what is added to the scores, if anything -> [B, H, T, S].
   * A graph is written with what it consists of.
   */
  AttentionWeights: rule({
    light: true,
    infer: (inputs) => {
      const [q, k, mask] = [operand(inputs, 0), operand(inputs, 1), inputs[2]];
      const fits = q.rank === 4 && k.rank === 4 && q.dim(-1) === k.dim(-1) && q.size(1) % k.size(1) === 0;
      const shape = fits ? shapeOf(q, k) : [];
      if (fits && (!mask || sameShape(broadcastShapes(mask.shape, shape), shape))) return [{ dtype: q.dtype, shape }];
      const shapes = [q, k, ...(mask ? [mask] : [])].map((x) => formatShape(x.shape));
      throw new QuintetError('shape', `queries, keys and mask of ${shapes.join(', ')} do not fit`);
    },
    gradient: ({ gradient: g, inputs, outputs, wants }) => {
      const [q, k] = inputs as [Tensor, Tensor];
      const weights = outputs[0] as Tensor;
      const slope = mul(weights, sub(g, sum(mul(g, weights), [-1], { keep: true })));
      const groups = k.size(1);
      const rows = groupRows(slope, groups);
      return [
        wants(0) ? reshape(matmul(rows, k), q.shape) : null,
        wants(1) ? matmul(swapLast(rows), groupRows(q, groups)) : null,
        ...(inputs.length > 2 ? [wants(2) ? slope : null] : []),
      ];
    },
    simplify: expanded,
  }),
} satisfies Record<string, OpRule>;
