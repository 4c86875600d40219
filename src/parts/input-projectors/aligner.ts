/**
 * A perceptron of any depth, all of whose layers but the first stand behind an activation: Janus's connectors.
 *
 * Wu et al., "Janus", 2024, https://arxiv.org/abs/2410.13848
 */
import { type ActivationName, activationOf, activations, linear } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { InputProjector } from '../types.js';

export interface AlignerConfig {
  /** Linear layers; default 2. */
  readonly depth?: number;
  /** Default gelu. */
  readonly activation?: ActivationName;
}

export function aligner({ depth = 2, activation = 'gelu' }: AlignerConfig = {}): InputProjector {
  return {
    kind: 'input-projector',
    forward(p, features, width) {
      let x = linear(p.at('fc1'), features, width);
      for (let i = 0; i < depth - 1; i++) {
        x = linear(p.at('hidden_layers', i), activations[activation](x), width);
      }
      return x;
    },
  };
}

/** The configuration in an object of Janus's `config.json`, whose field `depth` counts the layers. */
export function readAligner(config: Fields, depth: string): AlignerConfig {
  return { depth: config.count(depth, 2), activation: activationOf(config, 'hidden_act', 'gelu') };
}
