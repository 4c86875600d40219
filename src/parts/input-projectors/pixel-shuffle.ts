/**
 * Pixel shuffle: squares of neighbouring features become one, by their channels side by side, before a linear layer.
 *
 * Laurençon et al., "Building and better understanding vision-language models" (Idefics3), 2024,
 * https://arxiv.org/abs/2408.12637
 *
 * B batch, S side of the square of features, F side of the squares that are joined, E width
 */
import { reshape, transpose } from '../../graph/index.js';
import { linear } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import type { InputProjector } from '../types.js';

/** Features [B, S·S, E] -> [B, S·S/F², width]. */
export function pixelShuffle(factor: number): InputProjector {
  return {
    kind: 'input-projector',
    forward(p, features, width) {
      const side = Math.sqrt(features.size(1));
      const channels = features.size(2);
      if (!Number.isInteger(side / factor)) {
        throw new QuintetError('shape', `${side} features a side do not divide into squares of ${factor}`, {
          at: p.path,
        });
      }
      const short = side / factor;
      const batch = features.dim(0);
      const squares = reshape(features, [batch, short, factor, short, factor * channels]);
      const joined = reshape(transpose(squares, [0, 1, 3, 2, 4]), [batch, short * short, factor * factor * channels]);
      return linear(p.at('modality_projection.proj'), joined, width, { bias: false });
    },
  };
}
