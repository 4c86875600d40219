/**
 * LLaMA: pre-norm transformer with rotary positions, RMS norm and gated perceptrons; grouped-query attention since Llama 2.
 *
 * Touvron et al., "LLaMA", 2023, https://arxiv.org/abs/2302.13971; Grattafiori et al., "The Llama 3 Herd of Models", 2024,
 * https://arxiv.org/abs/2407.21783
 *
 * B batch, T tokens, D width, H heads, G key-value heads, K head width
 */
import { add, mul, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  type Angles,
  activationOf,
  activations,
  embedding,
  linear,
  normal,
  type Params,
  type RotaryConfig,
  readRotary,
  rmsNorm,
  rotaryAngles,
  rotate,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone, Context } from '../types.js';

export interface LlamaConfig {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Default: as many as heads. */
  readonly kvHeads?: number;
  /** Default: width / heads. */
  readonly headWidth?: number;
  /** Width inside the gated perceptron. */
  readonly hidden: number;
  readonly vocab: number;
  /** Default 2048. */
  readonly context?: number;
  readonly rotary?: RotaryConfig;
  /** Of the RMS norms; default 1e-6. */
  readonly epsilon?: number;
  readonly activation?: ActivationName;
  /** Whether the head is the embedding table. */
  readonly tied?: boolean;
  readonly attentionBias?: boolean;
  readonly mlpBias?: boolean;
}

export function llama(config: LlamaConfig): Backbone {
  const { width, depth, heads, vocab, epsilon = 1e-6, rotary = { theta: 10000 }, context: longest = 2048 } = config;
  const headWidth = config.headWidth ?? width / heads;
  return {
    kind: 'backbone',
    width,
    vocab,
    depth,
    context: longest,
    buffers: ['model.layers.*.self_attn.rotary_emb.inv_freq'],
    embed: (p, ids) => embedding(p.at('model', 'embed_tokens'), ids, [vocab, width]),
    forward(p, embeddings, context) {
      const angles = rotaryAngles(context.positions, headWidth, rotary);
      let x = embeddings;
      for (let layer = 0; layer < depth; layer++) {
        const at = p.at('model', 'layers', layer);
        x = add(x, selfAttention(at, x, { config, layer, angles, context }));
        x = add(x, gated(at.at('mlp'), rmsNorm(at.at('post_attention_layernorm'), x, epsilon), config));
      }
      return rmsNorm(p.at('model', 'norm'), x, epsilon);
    },
    logits: (p, hidden) =>
      config.tied
        ? p.at('model', 'embed_tokens').shared.product('weight', hidden, vocab)
        : p.at('lm_head').product('weight', hidden, vocab, normal(0.02)),
  };
}

interface Place {
  readonly config: LlamaConfig;
  readonly layer: number;
  readonly angles: Angles;
  readonly context: Context;
}

/** x [B, T, D] -> [B, T, D] */
function selfAttention(p: Params, x: Tensor, { config, layer, angles, context }: Place): Tensor {
  const { width, heads, kvHeads = heads, headWidth = width / heads, epsilon = 1e-6, attentionBias = false } = config;
  const options = { bias: attentionBias };
  const at = p.at('self_attn');
  const seen = rmsNorm(p.at('input_layernorm'), x, epsilon);
  const q = linear(at.at('q_proj'), seen, heads * headWidth, options);
  const k = linear(at.at('k_proj'), seen, kvHeads * headWidth, options);
  const v = linear(at.at('v_proj'), seen, kvHeads * headWidth, options);
  const mixed = context.attend(layer, rotate(q, angles, heads), rotate(k, angles, kvHeads), v, { heads, kvHeads });
  return linear(at.at('o_proj'), mixed, width, options);
}

/** down(activation(gate x) · up x): Shazeer, "GLU Variants Improve Transformer", 2020. x [B, T, D] -> [B, T, D] */
function gated(p: Params, x: Tensor, { width, hidden, activation = 'silu', mlpBias = false }: LlamaConfig): Tensor {
  const options = { bias: mlpBias };
  const gate = activations[activation](linear(p.at('gate_proj'), x, hidden, options));
  const up = linear(p.at('up_proj'), x, hidden, options);
  return linear(p.at('down_proj'), mul(gate, up), width, options);
}

/** The configuration that a published `config.json` of model_type llama holds; missing fields take LlamaConfig's defaults. */
export function readLlama(config: Fields): LlamaConfig {
  const width = config.whole('hidden_size', 4096);
  const heads = config.whole('num_attention_heads', 32);
  return {
    width,
    depth: config.whole('num_hidden_layers', 32),
    heads,
    kvHeads: config.whole('num_key_value_heads', heads),
    headWidth: config.whole('head_dim', width / heads),
    hidden: config.whole('intermediate_size', 11008),
    vocab: config.whole('vocab_size', 32000),
    context: config.whole('max_position_embeddings', 2048),
    rotary: readRotary(config),
    epsilon: config.number('rms_norm_eps', 1e-6),
    activation: activationOf(config, 'hidden_act', 'silu'),
    tied: config.flag('tie_word_embeddings', false),
    attentionBias: config.flag('attention_bias', false),
    mlpBias: config.flag('mlp_bias', false),
  };
}
