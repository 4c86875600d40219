/**
 * One vector a picture as several embeddings, by one linear layer: Frozen's, FROMAGe's and GILL's connector.
 *
 * Tsimpoukelli et al., "Multimodal Few-Shot Learning with Frozen Language Models", 2021, https://arxiv.org/abs/2106.13884
 */
import { reshape } from '../../graph/index.js';
import { linear } from '../../nn/index.js';
import type { InputProjector } from '../types.js';

/** Features [B, 1, E] -> embeddings [B, tokens, width]. */
export function prefixProjector({ tokens }: { readonly tokens: number }): InputProjector {
  return {
    kind: 'input-projector',
    forward: (p, features, width) => reshape(linear(p, features, tokens * width), [features.dim(0), tokens, width]),
  };
}
