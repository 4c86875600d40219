/**
 * Hidden states of a vision transformer as features, as LLaVA takes them.
 *
 * Liu et al., "Improved Baselines with Visual Instruction Tuning", 2023, https://arxiv.org/abs/2310.03744
 */
import { concat, slice, type Tensor } from '../../graph/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Encoder, Tower } from '../types.js';

export interface LayerFeatures {
  /**
   * Which hidden states are the features: 0 is the embeddings, -1 the last block's output, -2 the one before. Those of
   * several layers stand side by side.
   */
  readonly layers: readonly number[];
  /** Whether the first token is among them, which is CLIP's for the class. */
  readonly keepClass: boolean;
}

interface Sizes {
  readonly image: number;
  readonly depth: number;
}

/** The tower, below `vision_model`, as an encoder: [M, 3, I, I] -> [M, N, layers · width] */
export function layerFeatures(tower: Tower, { image, depth, layers, keepClass }: Sizes & LayerFeatures): Encoder {
  const wanted = layers.map((layer) => (layer < 0 ? depth + 1 + layer : layer));
  if (wanted.length === 0 || wanted.some((layer) => layer < 0 || layer > depth)) {
    throw new QuintetError('config', `layers ${layers.join(', ')} of a vision transformer with ${depth} blocks`);
  }
  return {
    kind: 'encoder',
    image,
    buffers: ['vision_model.embeddings.position_ids'],
    forward(p, pixels) {
      // Of what the tower pools only the parameters are wanted: published files hold them whichever features are chosen.
      const { states } = tower.forward(p.at('vision_model'), { pixel_values: pixels });
      const features = concat(
        wanted.map((layer) => states[layer] as Tensor),
        2,
      );
      return keepClass ? features : slice(features, 1, 1);
    },
  };
}

/** Which features LLaVA's `config.json` asks for. */
export function readFeatures(config: Fields): LayerFeatures {
  const layers = config.raw.vision_feature_layer;
  return {
    layers: Array.isArray(layers) ? config.numbers('vision_feature_layer') : [config.whole('vision_feature_layer', -2)],
    keepClass: config.choice('vision_feature_select_strategy', ['default', 'full'], 'default') === 'full',
  };
}
