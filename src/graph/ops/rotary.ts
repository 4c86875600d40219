/** Rotary position embedding (Su et al., "RoFormer", 2021), in the form that turns a head's two halves. */

import { formatShape, QuintetError, sameShape } from '../../tensor/index.js';
import { neg, rotaryEmbedding } from '../functions.js';
import { type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';

export const rotary = {
  /**
   * x [B, T, H*K] with cosines and sines [B, T, R/2] of each place: of every head's first R numbers the pairs (i, i + R/2) are
   * turned. Where R is not K the attribute `rotary_embedding_dim` says so.
   */
  RotaryEmbedding: rule<{ num_heads: number; rotary_embedding_dim?: number }>({
    infer: (inputs, { num_heads, rotary_embedding_dim }) => {
      const [x, cosines, sines] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      const width = x.size(2) / num_heads;
      const turned = rotary_embedding_dim ?? width;
      const wanted = [x.dim(0), x.dim(1), turned / 2];
      if (x.rank !== 3 || turned > width || !sameShape(cosines.shape, wanted) || !sameShape(sines.shape, wanted)) {
        throw new QuintetError(
          'shape',
          `angles ${formatShape(cosines.shape)} do not fit ${formatShape(x.shape)} in ${num_heads} heads`,
        );
      }
      return [x];
    },
    // The angles are never learned. A turn is undone by the turn with the opposite sine.
    gradient: ({ gradient: g, inputs, attributes: { num_heads } }): (Tensor | null)[] => {
      const [, cosines, sines] = inputs as [Tensor, Tensor, Tensor];
      return [rotaryEmbedding(g, cosines, neg(sines), num_heads), null, null];
    },
  }),
} satisfies Record<string, OpRule>;
