/** Attention over all tokens of a text at once, as training and tracing have it. B rows, T tokens */

import { add, range, sub, type Tensor, unsqueeze } from '../graph/index.js';
import { attend, causalMask, positionsOf } from '../nn/index.js';
import type { Context } from '../parts/types.js';

/**
 * All tokens at once: causal, and blind to the tokens that `present` [B, T] marks 0. Without `positions` [B, T] they are
 * counted over the tokens that are there.
 */
export function fullContext(present: Tensor, positions = positionsOf(present)): Context {
  // The tokens of a row that are there stand together: they are as far from each other as their places are.
  const places = range(0, present.dim(1));
  const distances = sub(unsqueeze(places, 1), unsqueeze(places, 0));
  return {
    positions,
    attend(_layer, q, k, v, { bias, window, ...options }) {
      const mask = causalMask(present, window);
      return attend(q, k, v, { ...options, mask: bias ? add(mask, bias(distances)) : mask });
    },
  };
}
