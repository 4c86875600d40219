/**
 * Mistral: LLaMA with fewer key-value heads, whose tokens see a window of those before them.
 *
 * Jiang et al., "Mistral 7B", 2023, https://arxiv.org/abs/2310.06825
 */
import { gatedPerceptron, rotaryAttention } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder, readWindow } from './decoder.js';

export function mistral(config: DecoderConfig): Backbone {
  return decoder(config, { attention: rotaryAttention, perceptron: gatedPerceptron });
}

const defaults = {
  ...{ hidden_size: 4096, intermediate_size: 14336, vocab_size: 32000, max_position_embeddings: 131072 },
  num_key_value_heads: 8,
};

/** The configuration in a `config.json` of model_type mistral. */
export function readMistral(config: Fields): DecoderConfig {
  return { ...readDecoder(config, defaults), ...readWindow(config, 4096) };
}
