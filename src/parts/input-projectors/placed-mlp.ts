/**
 * LLaVA's perceptron for a backbone that begins from nothing: its features are normalised, and each is told where it stands.
 *
 * A feature that outgrows the embeddings hides whatever is added to it, its place included; so what it may weigh is learned
 * apart (`norm`), and its place begins with the same weight.
 *
 * B pictures, N features a picture, E encoder width
 */
import { add, rmsNormalization } from '../../graph/index.js';
import { filled, normal } from '../../nn/index.js';
import type { InputProjector } from '../types.js';
import { type MlpProjectorConfig, mlpProjector } from './mlp.js';

export interface PlacedMlpConfig extends MlpProjectorConfig {
  /** Features a picture. */
  readonly places: number;
}

/** Root mean square of a feature and of a place's vector at the beginning. */
const scale = 0.2;

/** Features [B, N, E] -> [B, N, width] */
export function placedMlp({ places, ...config }: PlacedMlpConfig): InputProjector {
  const perceptron = mlpProjector(config);
  return {
    kind: 'input-projector',
    forward(p, features, width) {
      const words = perceptron.forward(p, features, width);
      const even = rmsNormalization(words, p.at('norm').get('weight', [width], filled(scale)), 1e-6);
      return add(even, p.get('position_embedding', [places, width], normal(scale)));
    },
  };
}
