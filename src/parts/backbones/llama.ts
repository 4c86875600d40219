/**
 * LLaMA: pre-norm transformer with rotary positions, RMS norm and gated perceptrons; grouped-query attention since Llama 2.
 *
 * Touvron et al., "LLaMA", 2023, https://arxiv.org/abs/2302.13971; Grattafiori et al., "The Llama 3 Herd of Models", 2024,
 * https://arxiv.org/abs/2407.21783
 */
import { gatedPerceptron, rotaryAttention } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder } from './decoder.js';

export interface LlamaConfig extends DecoderConfig {
  readonly attentionBias?: boolean;
  readonly mlpBias?: boolean;
}

export function llama(config: LlamaConfig): Backbone {
  const { attentionBias = false, mlpBias = false } = config;
  return decoder(config, {
    attention: (p, x, options) => rotaryAttention(p, x, { ...options, bias: attentionBias }),
    perceptron: (p, x, options) => gatedPerceptron(p, x, { ...options, bias: mlpBias }),
  });
}

const defaults = { hidden_size: 4096, intermediate_size: 11008, vocab_size: 32000, max_position_embeddings: 2048 };

/** The configuration that a published `config.json` of model_type llama holds; missing fields take the family's defaults. */
export function readLlama(config: Fields): LlamaConfig {
  return {
    ...readDecoder(config, defaults),
    attentionBias: config.flag('attention_bias', false),
    mlpBias: config.flag('mlp_bias', false),
  };
}
