/**
 * Qwen2 and Qwen2.5: LLaMA with biases for queries, keys and values.
 *
 * Yang et al., "Qwen2 Technical Report", 2024, https://arxiv.org/abs/2407.10671
 */
import { gatedPerceptron, rotaryAttention } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder, readLayerWindows } from './decoder.js';

export function qwen2(config: DecoderConfig): Backbone {
  return decoder(config, {
    attention: (p, x, options) => rotaryAttention(p, x, { ...options, bias: true, outBias: false }),
    perceptron: gatedPerceptron,
  });
}

const defaults = {
  ...{ hidden_size: 4096, intermediate_size: 22016, vocab_size: 151936, max_position_embeddings: 32768 },
  num_key_value_heads: 32,
};

/** The configuration in a `config.json` of model_type qwen2. */
export function readQwen2(config: Fields): DecoderConfig {
  const shared = readDecoder(config, defaults);
  return { ...shared, ...readLayerWindows(config, shared.depth) };
}
