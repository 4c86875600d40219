/**
 * What LLaMA and its relatives share: blocks of attention and a perceptron behind RMS norms, rotary positions, a head.
 *
 * B batch, T tokens, D width, H heads, G key-value heads, K head width
 */
import { add, type Tensor } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  embedding,
  type GatedPerceptronOptions,
  type Params,
  type RotaryAttentionOptions,
  type RotaryConfig,
  type RotaryDefaults,
  readContext,
  readHeads,
  readPadding,
  readRotary,
  rmsNorm,
  rotaryAngles,
  type SparsePerceptronOptions,
  wordScores,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';

export interface DecoderConfig {
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
  /** The word that texts are padded with: its embedding learns nothing; default none. */
  readonly padding?: number;
  /** Default 2048. */
  readonly context?: number;
  readonly rotary?: RotaryConfig;
  /** Of the RMS norms; default 1e-6. */
  readonly epsilon?: number;
  readonly activation?: ActivationName;
  /** Whether the head is the embedding table. */
  readonly tied?: boolean;
  /** How many tokens each one sees, itself among them; default all. */
  readonly window?: number;
  /** Whether a layer has the window; default all have it. */
  readonly windowed?: readonly boolean[];
}

/** Which tokens see how far. */
type Windows = Pick<DecoderConfig, 'window' | 'windowed'>;

/** The two halves of a block, each a function of a scope and of normalised x [B, T, D]. */
export interface DecoderHalves {
  attention(p: Params, x: Tensor, options: RotaryAttentionOptions): Tensor;
  perceptron(p: Params, x: Tensor, options: PerceptronOptions): Tensor;
  /** The scope of the perceptron; default `mlp`. */
  readonly perceptronName?: string;
}

type PerceptronOptions = GatedPerceptronOptions & Pick<SparsePerceptronOptions, 'onScores'>;

export function decoder(config: DecoderConfig, halves: DecoderHalves): Backbone {
  const { attention, perceptron, perceptronName = 'mlp' } = halves;
  const { width, depth, heads, kvHeads = heads, headWidth = width / heads, hidden, vocab } = config;
  const { context: longest = 2048, rotary = { theta: 10000 }, epsilon = 1e-6, activation = 'silu' } = config;
  return {
    kind: 'backbone',
    width,
    vocab,
    depth,
    context: longest,
    ...anglesBy(rotary),
    buffers: ['model.layers.*.self_attn.rotary_emb.inv_freq'],
    embed: (p, ids) => embedding(p.at('model', 'embed_tokens'), ids, [vocab, width], config.padding),
    forward(p, embeddings, context) {
      const angles = rotaryAngles(context, headWidth, rotary);
      let x = embeddings;
      for (let layer = 0; layer < depth; layer++) {
        const at = p.at('model', 'layers', layer);
        const attend: RotaryAttentionOptions['attend'] = (q, k, v) =>
          context.attend(layer, q, k, v, { heads, kvHeads, ...windowOf(config, layer) });
        const seen = rmsNorm(at.at('input_layernorm'), x, epsilon);
        x = add(x, attention(at.at('self_attn'), seen, { heads, kvHeads, headWidth, angles, attend }));
        const mixed = rmsNorm(at.at('post_attention_layernorm'), x, epsilon);
        const onScores = context.onRouted && ((scores: Tensor) => context.onRouted?.(layer, scores));
        x = add(x, perceptron(at.at(perceptronName), mixed, { hidden, activation, onScores }));
      }
      return rmsNorm(p.at('model', 'norm'), x, epsilon);
    },
    logits: (p, hidden) => decoderScores(p, hidden, config),
  };
}

/** What of a length some layers' angles depend on, as a backbone has it. */
export function anglesBy(...rotaries: readonly RotaryConfig[]): Pick<Backbone, 'anglesBy'> {
  const own = rotaries.flatMap(({ scaling }) => scaling?.anglesBy ?? []);
  // None of them falls: sums are equal where all are.
  return own.length === 0 ? {} : { anglesBy: (length) => own.reduce((sum, by) => sum + by(length), 0) };
}

/** Hidden states [..., D] -> scores of words [..., vocab]. */
export function decoderScores(p: Params, hidden: Tensor, { vocab, tied }: DecoderConfig): Tensor {
  return wordScores(p, hidden, { vocab, table: tied ? 'model.embed_tokens' : undefined });
}

/** The window of a layer, as the options of attention have it. */
export function windowOf({ window, windowed }: Windows, layer: number): { readonly window?: number } {
  return window === undefined || windowed?.[layer] === false ? {} : { window };
}

/** What a family's configuration class takes where a file is silent, by the names of the file. */
export interface DecoderDefaults extends Pick<RotaryDefaults, 'partial'> {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  /** Default 32. */
  readonly num_hidden_layers?: number;
  /** Default 32. */
  readonly num_attention_heads?: number;
  /** Default: as many as heads. */
  readonly num_key_value_heads?: number;
  /** Default: hidden_size / num_attention_heads. */
  readonly head_dim?: number;
  /** Default 1e-6. */
  readonly rms_norm_eps?: number;
  /** Default 10000. */
  readonly rope_theta?: number;
  /** Default false. */
  readonly tie_word_embeddings?: boolean;
  /** Default none. */
  readonly pad_token_id?: number;
}

type ReadDecoder = Required<Omit<DecoderConfig, keyof Windows | 'padding'>> & Pick<DecoderConfig, 'padding'>;

/** The fields of a published `config.json` that the families share. */
export function readDecoder(config: Fields, defaults: DecoderDefaults): ReadDecoder {
  const { width, heads } = widthAndHeads(config, defaults);
  const kvHeads = config.whole('num_key_value_heads', defaults.num_key_value_heads ?? heads);
  if (kvHeads < 1 || heads % kvHeads !== 0) {
    throw config.wrong('num_key_value_heads', `a whole number that divides num_attention_heads, ${heads}`);
  }
  const { max_position_embeddings: context, rope_theta: theta = 10000, partial = false } = defaults;
  const vocab = config.count('vocab_size', defaults.vocab_size);
  return {
    width,
    depth: config.depth('num_hidden_layers', defaults.num_hidden_layers ?? 32),
    heads,
    kvHeads,
    headWidth: config.count('head_dim', defaults.head_dim ?? width / heads),
    hidden: config.count('intermediate_size', defaults.intermediate_size),
    vocab,
    ...readPadding(config, vocab, defaults.pad_token_id),
    context: readContext(config, context),
    rotary: readRotary(config, { context, theta, partial }),
    epsilon: config.number('rms_norm_eps', defaults.rms_norm_eps ?? 1e-6),
    activation: activationOf(config, 'hidden_act', 'silu'),
    tied: config.flag('tie_word_embeddings', defaults.tie_word_embeddings ?? false),
  };
}

/** Heads share the width, unless their own is given. */
function widthAndHeads(config: Fields, defaults: DecoderDefaults) {
  const otherwise = { width: defaults.hidden_size, heads: defaults.num_attention_heads ?? 32 };
  if (!config.has('head_dim') && defaults.head_dim === undefined) return readHeads(config, otherwise);
  return {
    width: config.count('hidden_size', otherwise.width),
    heads: config.count('num_attention_heads', otherwise.heads),
  };
}

/** `sliding_window`: null means none, and a missing field the family's default. */
export function readWindow(config: Fields, otherwise?: number): Windows {
  if (!config.has('sliding_window') && Object.hasOwn(config.raw, 'sliding_window')) return {};
  const window = config.whole('sliding_window', otherwise ?? 0);
  return window > 0 ? { window } : {};
}

/** The windows of a family whose layers may differ: switched on by one field, and by layer in a list or from a layer on. */
export function readLayerWindows(config: Fields, depth: number): Windows {
  if (!config.flag('use_sliding_window', false)) return {};
  const first = config.whole('max_window_layers', 28);
  const usual = Array.from({ length: depth }, (_, layer) => (layer < first ? 'full_attention' : sliding));
  return { ...readWindow(config, 4096), windowed: config.texts('layer_types', usual).map((type) => type === sliding) };
}

/** What `layer_types` calls a layer with the window. */
export const sliding = 'sliding_attention';
