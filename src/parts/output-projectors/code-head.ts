/**
 * From hidden states to the scores of a picture's next code: Janus's generation head.
 *
 * Wu et al., "Janus", 2024, https://arxiv.org/abs/2410.13848
 */
import { type ActivationName, activations, linear } from '../../nn/index.js';
import type { OutputProjector } from '../types.js';

export interface CodeHeadConfig {
  /** Default gelu. */
  readonly activation?: ActivationName;
}

export function codeHead({ activation = 'gelu' }: CodeHeadConfig = {}): OutputProjector {
  return {
    kind: 'output-projector',
    forward: (p, hidden, width) =>
      linear(p.at('vision_head'), activations[activation](linear(p.at('proj_out'), hidden, hidden.size(-1))), width),
  };
}
