/** Two linear layers from hidden states to a condition, token by token. */

import { type ActivationName, activations, linear } from '../../nn/index.js';
import type { OutputProjector } from '../types.js';

export interface MlpOutputConfig {
  /** Width between the layers. */
  readonly hidden: number;
  /** Default gelu. */
  readonly activation?: ActivationName;
}

export function mlpOutput({ hidden: inner, activation = 'gelu' }: MlpOutputConfig): OutputProjector {
  return {
    kind: 'output-projector',
    forward: (p, hidden, width) =>
      linear(p.at('linear_2'), activations[activation](linear(p.at('linear_1'), hidden, inner)), width),
  };
}
