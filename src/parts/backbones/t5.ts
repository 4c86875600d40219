/**
 * T5: an encoder-decoder whose tokens know each other's distance only, by a bias of the scores, which are not divided by the
 * root of the head width. Version 1.1 (Flan-T5) has gated perceptrons and a head of its own.
 *
 * Raffel et al., 2020, https://arxiv.org/abs/1910.10683; version 1.1: Shazeer, 2020, https://arxiv.org/abs/2002.05202; Flan:
 * Chung et al., 2022, https://arxiv.org/abs/2210.11416
 *
 * B batch, S tokens read, T tokens written, D width, H heads, K head width
 */
import { add, mul, range, sub, type Tensor, unsqueeze } from '../../graph/index.js';
import {
  type ActivationName,
  activations,
  attend,
  linear,
  normal,
  type Params,
  paddingMask,
  relativeBias,
  rmsNorm,
  wordScores,
} from '../../nn/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import type { Backbone, Context } from '../types.js';

export interface T5Config {
  readonly width: number;
  readonly headWidth: number;
  readonly heads: number;
  /** Blocks of the encoder. */
  readonly depth: number;
  /** Default: as many as the encoder's. */
  readonly decoderDepth?: number;
  /** Width inside the perceptron. */
  readonly hidden: number;
  readonly vocab: number;
  /** Default relu. */
  readonly activation?: ActivationName;
  /** Whether the activation is a gate; default false. */
  readonly gated?: boolean;
  /** Whether the head is the embedding table; default true. */
  readonly tied?: boolean;
  /** Whether what the head reads is divided by the root of the width; default as `tied`. */
  readonly scaled?: boolean;
  /** Default 32. */
  readonly buckets?: number;
  /** Default 128. */
  readonly farthest?: number;
  /** Of the RMS norms; default 1e-6. */
  readonly epsilon?: number;
  /** Default 0. */
  readonly pad?: number;
  /** What every answer begins behind; default the padding token. */
  readonly start?: number;
}

export function t5(config: T5Config): Backbone {
  const { width, vocab, depth, decoderDepth = depth, tied = true, scaled = tied, pad = 0, start = pad } = config;
  return {
    kind: 'backbone',
    width,
    vocab,
    depth: decoderDepth,
    context: Number.POSITIVE_INFINITY,
    // Older files repeat the table for each side, and have a bias that nothing reads.
    buffers: [
      '{encoder,decoder}.embed_tokens.weight',
      'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight',
    ],
    embed: (p, ids) => p.at('shared').rows('weight', ids, [vocab, width], normal(1)),
    encoder: { start, pad, encode: (p, embeddings, present) => encode(p.at('encoder'), embeddings, present, config) },
    forward: (p, embeddings, context) => decode(p.at('decoder'), embeddings, context, config),
    logits: (p, hidden) =>
      wordScores(p, scaled ? mul(hidden, width ** -0.5) : hidden, {
        vocab,
        table: tied ? 'shared' : undefined,
        init: normal(1),
      }),
  };
}

/** Embeddings [B, S, D] of which `present` [B, S] are real -> states after the last norm [B, S, D]; below `encoder`. */
function encode(p: Params, embeddings: Tensor, present: Tensor, config: T5Config): Tensor {
  const { heads, depth, epsilon = 1e-6 } = config;
  const places = range(0, present.dim(1));
  const bias = biasOf(p, config, true)(sub(unsqueeze(places, 1), unsqueeze(places, 0))); // [H, S, S]
  const mask = add(paddingMask(present), bias);
  let x = embeddings;
  for (let i = 0; i < depth; i++) {
    const at = p.at('block', i, 'layer');
    const seen = rmsNorm(at.at(0, 'layer_norm'), x, epsilon);
    const look = at.at(0, 'SelfAttention');
    x = add(x, output(look, attend(...selfProjections(look, seen, config), { heads, mask, scale: 1 }), config));
    x = add(x, perceptron(at.at(1), x, config));
  }
  return rmsNorm(p.at('final_layer_norm'), x, epsilon);
}

/** Embeddings [B, T, D] -> states after the last norm [B, T, D]; below `decoder`. */
function decode(p: Params, embeddings: Tensor, context: Context, config: T5Config): Tensor {
  const { heads, depth, decoderDepth = depth, epsilon = 1e-6 } = config;
  const { memory } = context;
  if (!memory) throw new QuintetError('unsupported', 'a decoder needs what its encoder gave', { at: p.path });
  const own = { heads, kvHeads: heads, scale: 1, bias: biasOf(p, config, false) };
  let x = embeddings;
  for (let i = 0; i < decoderDepth; i++) {
    const at = p.at('block', i, 'layer');
    const look = at.at(0, 'SelfAttention');
    const seen = rmsNorm(at.at(0, 'layer_norm'), x, epsilon);
    x = add(x, output(look, context.attend(i, ...selfProjections(look, seen, config), own), config));
    const across = at.at(1, 'EncDecAttention');
    const q = projection(across, 'q', rmsNorm(at.at(1, 'layer_norm'), x, epsilon), config);
    const read = (states: Tensor) =>
      [projection(across, 'k', states, config), projection(across, 'v', states, config)] as const;
    x = add(x, output(across, memory.attend(i, q, read, { heads, kvHeads: heads, scale: 1 }), config));
    x = add(x, perceptron(at.at(2), x, config));
  }
  return rmsNorm(p.at('final_layer_norm'), x, epsilon);
}

/** The bias of all blocks, which the first one holds. */
function biasOf(p: Params, { heads, buckets = 32, farthest = 128 }: T5Config, bothWays: boolean) {
  const at = p.at('block.0.layer.0.SelfAttention.relative_attention_bias');
  return relativeBias(at, heads, { buckets, farthest, bothWays });
}

type Projections = [q: Tensor, k: Tensor, v: Tensor];

/** x [B, T, D] -> [B, T, H*K] each. */
function selfProjections(p: Params, x: Tensor, config: T5Config): Projections {
  return (['q', 'k', 'v'] as const).map((name) => projection(p, name, x, config)) as Projections;
}

/** Queries begin smaller by the root of the head width, which their scores are not divided by. */
function projection(p: Params, name: 'q' | 'k' | 'v', x: Tensor, { width, heads, headWidth }: T5Config): Tensor {
  const deviation = (name === 'q' ? width * headWidth : width) ** -0.5;
  return linear(p.at(name), x, heads * headWidth, { bias: false, init: normal(deviation) });
}

/** [B, T, H*K] -> [B, T, D] */
function output(p: Params, x: Tensor, { width }: T5Config): Tensor {
  return linear(p.at('o'), x, width, { bias: false, init: normal(x.size(-1) ** -0.5) });
}

/** Normalised and through the perceptron: x [B, T, D] -> [B, T, D] */
function perceptron(p: Params, x: Tensor, config: T5Config): Tensor {
  const { width, hidden, activation = 'relu', gated = false, epsilon = 1e-6 } = config;
  const seen = rmsNorm(p.at('layer_norm'), x, epsilon);
  const at = p.at('DenseReluDense');
  const inner = (name: string): Tensor =>
    linear(at.at(name), seen, hidden, { bias: false, init: normal(width ** -0.5) });
  const active = activations[activation](inner(gated ? 'wi_0' : 'wi'));
  const mixed = gated ? mul(active, inner('wi_1')) : active;
  return linear(at.at('wo'), mixed, width, { bias: false, init: normal(hidden ** -0.5) });
}

/**
 * The configuration in a `config.json` of model_type t5, beside tensors of these names. For transformers 5 the head is T5's own
 * where they have one, and the configurations that it writes say only whether what the head reads is scaled.
 */
export function readT5(config: Fields, names?: Iterable<string>): T5Config {
  const depth = config.depth('num_layers', 6);
  const tied = config.flag('tie_word_embeddings', true);
  const scaled = config.flag('scale_decoder_outputs', tied);
  const pad = config.whole('pad_token_id', 0);
  return {
    width: config.count('d_model', 512),
    headWidth: config.count('d_kv', 64),
    heads: config.count('num_heads', 8),
    depth,
    decoderDepth: config.depth('num_decoder_layers', depth),
    hidden: config.count('d_ff', 2048),
    vocab: config.count('vocab_size', 32128),
    ...readPerceptron(config),
    tied: scaled || !names ? tied : ![...names].some((name) => /(^|\.)lm_head\.weight$/.test(name)),
    scaled,
    buckets: config.count('relative_attention_num_buckets', 32),
    farthest: config.count('relative_attention_max_distance', 128),
    epsilon: config.number('layer_norm_epsilon', 1e-6),
    pad,
    start: config.whole('decoder_start_token_id', pad),
  };
}

/** `feed_forward_proj` is an activation, or `gated-` and one; the gated gelu of version 1.1 is the tanh approximation. */
function readPerceptron(config: Fields): Required<Pick<T5Config, 'activation' | 'gated'>> {
  const names = Object.keys(activations) as ActivationName[];
  const gates = names.map((name) => `gated-${name}` as const);
  const chosen = config.choice('feed_forward_proj', [...names, ...gates], 'relu');
  if (chosen === 'gated-gelu') return { activation: 'gelu_new', gated: true };
  const gated = chosen.startsWith('gated-');
  return { activation: (gated ? chosen.slice('gated-'.length) : chosen) as ActivationName, gated };
}
