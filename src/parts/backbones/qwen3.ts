/**
 * Qwen3: LLaMA with a norm over each head's queries and keys.
 *
 * Yang et al., "Qwen3 Technical Report", 2025, https://arxiv.org/abs/2505.09388
 */
import { gatedPerceptron, rmsNorm, rotaryAttention } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder, readLayerWindows } from './decoder.js';

export interface Qwen3Config extends DecoderConfig {
  readonly attentionBias?: boolean;
}

export function qwen3(config: Qwen3Config): Backbone {
  const { attentionBias: bias = false, epsilon = 1e-6 } = config;
  return decoder(config, {
    attention: (p, x, options) =>
      rotaryAttention(p, x, { ...options, bias, norm: (at, heads) => rmsNorm(at, heads, epsilon) }),
    perceptron: gatedPerceptron,
  });
}

const defaults = {
  ...{ hidden_size: 4096, intermediate_size: 22016, vocab_size: 151936, max_position_embeddings: 32768 },
  ...{ num_key_value_heads: 32, head_dim: 128 },
};

/** The configuration in a `config.json` of model_type qwen3. */
export function readQwen3(config: Fields): Qwen3Config {
  const shared = readDecoder(config, defaults);
  const attentionBias = config.flag('attention_bias', false);
  return { ...shared, ...readLayerWindows(config, shared.depth), attentionBias };
}
