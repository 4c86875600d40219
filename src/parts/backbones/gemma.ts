/**
 * What Gemma 2 and Gemma 3 share: norms before and behind both halves of a block, whose weights are distances from one;
 * embeddings scaled by the root of the width; layers that see all tokens among layers that see a window; scores that level
 * off.
 *
 * B batch, T tokens, D width, H heads, G key-value heads, K head width
 */
import { add, mul, rmsNormalization, type Tensor } from '../../graph/index.js';
import {
  activationOf,
  capped,
  embedding,
  gatedPerceptron,
  type Params,
  type RotaryAttentionOptions,
  type RotaryConfig,
  rotaryAngles,
  rotaryAttention,
  zeroed,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Backbone, ContextAttention } from '../types.js';
import {
  anglesBy,
  type DecoderConfig,
  type DecoderDefaults,
  decoderScores,
  readDecoder,
  readWindow,
  sliding,
  windowOf,
} from './decoder.js';

export interface GemmaConfig extends DecoderConfig {
  readonly attentionBias?: boolean;
  /** Scores are divided by the root of it; default: the width of a head. */
  readonly scoreWidth?: number;
  /** What the scores of tokens level off at; default nothing. */
  readonly logitCap?: number;
}

/** In what the generations differ. */
interface GemmaAttention extends Pick<ContextAttention, 'softcap'>, Pick<RotaryAttentionOptions, 'norm'> {
  /** How layers with the window turn positions; default as all do. */
  readonly windowedRotary?: RotaryConfig;
}

export function gemma(config: GemmaConfig, { softcap, norm, windowedRotary }: GemmaAttention = {}): Backbone {
  const { width, depth, heads, kvHeads = heads, headWidth = width / heads, hidden, vocab } = config;
  const { context: longest = 8192, rotary = { theta: 10000 }, epsilon = 1e-6 } = config;
  const { activation = 'gelu_pytorch_tanh', attentionBias: bias = false, scoreWidth = headWidth } = config;
  const scoring = { heads, kvHeads, scale: scoreWidth ** -0.5, ...(softcap === undefined ? {} : { softcap }) };
  return {
    kind: 'backbone',
    width,
    vocab,
    depth,
    context: longest,
    ...anglesBy(rotary, ...(windowedRotary ? [windowedRotary] : [])),
    buffers: ['model.layers.*.self_attn.rotary_emb.inv_freq'],
    // The scale has the weights' precision in the reference, and here what is computed with: single.
    embed: (p, ids) =>
      mul(embedding(p.at('model', 'embed_tokens'), ids, [vocab, width], config.padding), Math.sqrt(width)),
    forward(p, embeddings, context) {
      const angles = rotaryAngles(context, headWidth, rotary);
      const windowedAngles = windowedRotary ? rotaryAngles(context, headWidth, windowedRotary) : angles;
      let x = embeddings;
      for (let layer = 0; layer < depth; layer++) {
        const at = p.at('model', 'layers', layer);
        const near = windowOf(config, layer);
        const attended = rotaryAttention(at.at('self_attn'), offsetNorm(at.at('input_layernorm'), x, epsilon), {
          ...{ heads, kvHeads, headWidth, bias, ...(norm ? { norm } : {}) },
          angles: near.window === undefined ? angles : windowedAngles,
          attend: (q, k, v) => context.attend(layer, q, k, v, { ...scoring, ...near }),
        });
        x = add(x, offsetNorm(at.at('post_attention_layernorm'), attended, epsilon));
        const seen = offsetNorm(at.at('pre_feedforward_layernorm'), x, epsilon);
        const mixed = gatedPerceptron(at.at('mlp'), seen, { hidden, activation });
        x = add(x, offsetNorm(at.at('post_feedforward_layernorm'), mixed, epsilon));
      }
      return offsetNorm(p.at('model', 'norm'), x, epsilon);
    },
    logits: (p, states) => capped(decoderScores(p, states, config), config.logitCap),
  };
}

/** Divides the last axis by its root mean square and multiplies by one plus a weight of its width. */
export function offsetNorm(p: Params, x: Tensor, epsilon: number): Tensor {
  return rmsNormalization(x, add(p.get('weight', [x.size(-1)], zeroed), 1), epsilon);
}

const defaults = {
  ...{ hidden_size: 2304, intermediate_size: 9216, num_hidden_layers: 26, num_attention_heads: 8, head_dim: 256 },
  ...{ num_key_value_heads: 4, tie_word_embeddings: true, pad_token_id: 0 },
};

type GemmaDefaults = Pick<DecoderDefaults, 'vocab_size' | 'max_position_embeddings' | 'rope_theta'>;

/** The fields of a `config.json` that both have; every `period`-th layer sees all tokens where the file does not say. */
export function readGemma(config: Fields, own: GemmaDefaults, period: number): GemmaConfig {
  if (config.flag('use_bidirectional_attention', false)) {
    throw new QuintetError('unsupported', 'use_bidirectional_attention: tokens that see those behind them', {
      at: config.at,
    });
  }
  const shared = readDecoder(config, { ...defaults, ...own });
  const usual = Array.from({ length: shared.depth }, (_, layer) =>
    (layer + 1) % period === 0 ? 'full_attention' : sliding,
  );
  return {
    ...shared,
    ...readWindow(config, 4096),
    windowed: config.texts('layer_types', usual).map((type) => type === sliding),
    activation: activationOf(config, 'hidden_activation', 'gelu_pytorch_tanh'),
    attentionBias: config.flag('attention_bias', false),
    scoreWidth: config.number('query_pre_attn_scalar', 256),
  };
}

/** What scores level off at: null means nothing, and a missing field the family's default. */
export function readCap(config: Fields, name: string, otherwise?: number): number | undefined {
  if (config.has(name)) return config.number(name);
  return Object.hasOwn(config.raw, name) ? undefined : otherwise;
}
