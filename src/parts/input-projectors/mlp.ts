/**
 * A perceptron of two layers from an encoder's features to a backbone's embeddings: LLaVA-1.5's connector.
 *
 * Liu et al., "Improved Baselines with Visual Instruction Tuning", 2023, https://arxiv.org/abs/2310.03744
 */
import { type ActivationName, activationOf, activations, linear } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { InputProjector } from '../types.js';

export interface MlpProjectorConfig {
  /** Default gelu. */
  readonly activation?: ActivationName;
  /** Default true. */
  readonly bias?: boolean;
}

export function mlpProjector({ activation = 'gelu', bias = true }: MlpProjectorConfig = {}): InputProjector {
  return {
    kind: 'input-projector',
    forward: (p, features, width) =>
      linear(p.at('linear_2'), activations[activation](linear(p.at('linear_1'), features, width, { bias })), width, {
        bias,
      }),
  };
}

/** The configuration in LLaVA's `config.json`. */
export function readMlpProjector(config: Fields): MlpProjectorConfig {
  return {
    activation: activationOf(config, 'projector_hidden_act', 'gelu'),
    bias: config.flag('multimodal_projector_bias', true),
  };
}
