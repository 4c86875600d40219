/**
 * Phi-3 and Phi-4: LLaMA with its projections of one input in one matrix; some turn a part of each head only.
 *
 * Abdin et al., "Phi-3 Technical Report", 2024, https://arxiv.org/abs/2404.14219
 */
import { gatedPerceptron, rotaryAttention } from '../../nn/index.js';
import { type Fields, fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder, readWindow } from './decoder.js';

export function phi3(config: DecoderConfig): Backbone {
  const backbone = decoder(config, {
    attention: (p, x, options) => rotaryAttention(p, x, { ...options, joint: true }),
    perceptron: (p, x, options) => gatedPerceptron(p, x, { ...options, joint: true }),
  });
  // As transformers has it for this family alone.
  return { ...backbone, readsAgain: true };
}

const defaults = {
  ...{ hidden_size: 3072, intermediate_size: 8192, vocab_size: 32064, max_position_embeddings: 4096 },
  ...{ rms_norm_eps: 1e-5, pad_token_id: 32000, partial: true },
};
/** Where a file is silent of the trained length, whatever it says beside the scaling itself. */
const original = { original_max_position_embeddings: 4096 };

/** The configuration in a `config.json` of model_type phi3. */
export function readPhi3(config: Fields): DecoderConfig {
  const whole = fields({ ...original, ...config.raw }, config.at);
  return { ...readDecoder(whole, defaults), ...readWindow(config) };
}
