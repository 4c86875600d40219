/**
 * Mixtral: Mistral whose perceptrons are experts, of which a router chooses some for each token.
 *
 * Jiang et al., "Mixtral of Experts", 2024, https://arxiv.org/abs/2401.04088
 */
import { rotaryAttention, sparsePerceptron } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type DecoderConfig, decoder, readDecoder, readWindow } from './decoder.js';

export interface MixtralConfig extends DecoderConfig {
  /** Default 8. */
  readonly experts?: number;
  /** How many of them each token is sent to; default 2. */
  readonly chosen?: number;
  /** The weight in training of how unevenly they are asked; default 0. */
  readonly balance?: number;
}

export function mixtral(config: MixtralConfig): Backbone {
  const { experts = 8, chosen = 2, balance = 0 } = config;
  const backbone = decoder(config, {
    attention: rotaryAttention,
    perceptron: (p, x, options) => sparsePerceptron(p, x, { ...options, experts, chosen }),
    perceptronName: 'block_sparse_moe',
  });
  return { ...backbone, experts: { chosen, balance } };
}

const defaults = {
  ...{ hidden_size: 4096, intermediate_size: 14336, vocab_size: 32000, max_position_embeddings: 131072 },
  ...{ num_key_value_heads: 8, rms_norm_eps: 1e-5, rope_theta: 1e6 },
};

/** The configuration in a `config.json` of model_type mixtral. */
export function readMixtral(config: Fields): MixtralConfig {
  return {
    ...readDecoder(config, defaults),
    ...readWindow(config),
    experts: config.count('num_local_experts', 8),
    chosen: config.count('num_experts_per_tok', 2),
    // As in transformers, what is not reported does not count either.
    balance: config.flag('output_router_logits', false) ? config.number('router_aux_loss_coef', 0.001) : 0,
  };
}
