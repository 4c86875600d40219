/**
 * GGUF models of the Llama family in the terms of Hugging Face: tensor names, the order of rotary rows, and a config.json.
 * The other direction is `convert_hf_to_gguf.py` of llama.cpp.
 */
import { type Fields, fields, QuintetError } from '../tensor/index.js';
import type { JsonObject } from './checkpoint.js';
import type { GgufHeader } from './gguf.js';

interface Family {
  readonly className: string;
  /**
   * Whether the rows of queries and keys are stored so that the two numbers that a rotation mixes are neighbours, where
   * Hugging Face has the first of each pair in one half of the head and the second in the other.
   */
  readonly interleaved: boolean;
  /** Names within a layer that mean something else than in most families. */
  readonly layerNames?: Readonly<Record<string, string>>;
}

/** By `general.architecture`, which is also the `model_type`. */
const families: Readonly<Record<string, Family>> = {
  llama: { className: 'LlamaForCausalLM', interleaved: true },
  qwen2: { className: 'Qwen2ForCausalLM', interleaved: false },
  qwen3: { className: 'Qwen3ForCausalLM', interleaved: false },
  phi3: { className: 'Phi3ForCausalLM', interleaved: false, layerNames: { ffn_up: 'mlp.gate_up_proj' } },
};

export const ggufArchitectures = Object.keys(families);

const outerNames: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};

const layerNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_qkv: 'self_attn.qkv_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/**
 * The factors by which rotations are stretched, those of Llama 3.1 and its successors and of Phi-3; in Hugging Face's files
 * they stand in the config.
 */
export const ropeFactors = ['rope_freqs.weight', 'rope_factors_short.weight', 'rope_factors_long.weight'] as const;

/** A GGUF name in Hugging Face's terms; one that is not known stays as it is, for the loader to report. */
export function llamaTensorName(name: string, config: JsonObject): string {
  const [, layer, stem, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (stem === undefined) return name;
  const own = families[String(config.model_type)]?.layerNames;
  const names = layer === undefined ? outerNames : { ...layerNames, ...own };
  if (!Object.hasOwn(names, stem)) return name;
  return layer === undefined ? `${names[stem]}.${kind}` : `model.layers.${layer}.${names[stem]}.${kind}`;
}

/** The number of heads whose rows must be put back in order in the tensor of that GGUF name; 0 where there are none. */
export function interleavedHeads(name: string, config: JsonObject): number {
  if (families[String(config.model_type)]?.interleaved !== true) return 0;
  const projection = /^blk\.\d+\.attn_([qk])\.(weight|bias)$/.exec(name)?.[1];
  if (projection === undefined) return 0;
  return Number(projection === 'q' ? config.num_attention_heads : config.num_key_value_heads);
}

/** Rows [heads, width / 2, 2] as stored to [heads, 2, width / 2]. `rows` is their number, whatever a row takes in bytes. */
export function separateHalves(bytes: Uint8Array, rows: number, heads: number): Uint8Array<ArrayBuffer> {
  const half = rows / heads / 2;
  const length = bytes.byteLength / rows;
  const result = new Uint8Array(new ArrayBuffer(bytes.byteLength));
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const stored = head * 2 * half + 2 * (within % half) + Math.floor(within / half);
    result.set(bytes.subarray(stored * length, (stored + 1) * length), row * length);
  }
  return result;
}

/**
 * What config.json would say of a GGUF model; undefined for architectures whose naming is not known here.
 * `factors` are the values of the tensors that `ropeFactors` names. Fails with 'config' or 'unsupported'.
 */
export function ggufConfig(
  header: GgufHeader,
  factors: ReadonlyMap<string, Float32Array>,
  at: string,
): JsonObject | undefined {
  const architecture = header.metadata.get('general.architecture');
  if (typeof architecture !== 'string' || !Object.hasOwn(families, architecture)) return undefined;
  const prefix = `${architecture}.`;
  const own = [...header.metadata].filter(([key]) => key.startsWith(prefix));
  const read = fields(
    Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value])),
    `${at}: ${architecture}`,
  );
  if (read.whole('expert_count', 0) > 0) {
    throw new QuintetError('unsupported', 'a mixture of experts in GGUF', { at, hint: 'Use its safetensors files.' });
  }
  const width = read.whole('embedding_length');
  const heads = read.whole('attention.head_count');
  const keyValueHeads = read.whole('attention.head_count_kv', heads);
  if (width < 1 || heads < 1 || keyValueHeads < 1) {
    throw new QuintetError('config', `${heads} heads, ${keyValueHeads} key-value heads and a width of ${width}`, {
      at,
    });
  }
  const headWidth = read.whole('attention.key_length', Math.floor(width / heads));
  const turned = read.whole('rope.dimension_count', headWidth);
  const window = read.whole('attention.sliding_window', 0);
  const scaling = ropeScaling(read, factors, headWidth);
  const tensors = new Map(header.entries.map((entry) => [entry.name, entry]));
  return {
    model_type: architecture,
    architectures: [families[architecture]?.className],
    hidden_size: width,
    intermediate_size: read.whole('feed_forward_length'),
    num_hidden_layers: read.whole('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headWidth,
    hidden_act: 'silu',
    max_position_embeddings: read.whole('context_length'),
    rms_norm_eps: read.number('attention.layer_norm_rms_epsilon'),
    rope_theta: read.number('rope.freq_base', usualTheta),
    // Beside a scaling all families may turn a part of each head, without one Phi-3 alone.
    rope_scaling: scaling ?? (turned < headWidth ? { rope_type: 'linear', factor: 1 } : null),
    ...ofPhi3(scaling),
    ...(turned < headWidth ? { partial_rotary_factor: turned / headWidth } : {}),
    // Files without a window may say 0.
    ...(window > 0 ? { sliding_window: window } : {}),
    // The table of embeddings is right even where a file was written with padding and an older count.
    vocab_size: tensors.get('token_embd.weight')?.shape[0] ?? read.whole('vocab_size'),
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: tensors.has('blk.0.attn_q.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    ...ggufTokenIds(header.metadata),
  };
}

/** The special tokens that generation_config.json would name. */
export function ggufTokenIds(metadata: ReadonlyMap<string, unknown>): JsonObject {
  const names = [
    ['bos_token_id', 'tokenizer.ggml.bos_token_id'],
    ['eos_token_id', 'tokenizer.ggml.eos_token_id'],
    ['pad_token_id', 'tokenizer.ggml.padding_token_id'],
  ] as const;
  const ids = names.filter(([, key]) => metadata.has(key)).map(([name, key]) => [name, metadata.get(key)]);
  // A chat model may end its turns with another token than its texts.
  const said = ['eos', 'eot', 'eom'].map((role) => metadata.get(`tokenizer.ggml.${role}_token_id`));
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const named = Array.isArray(tokens) ? [...tokens.keys()].filter((id) => endings.has(tokens[id])) : [];
  const ends = [...new Set([...said.filter((id) => id !== undefined), ...named])];
  return { ...Object.fromEntries(ids), ...(ends.some((id) => id !== said[0]) ? { eos_token_id: ends } : {}) };
}

/** Tokens that end a turn or a text by their names, which many files do not say: those of llama.cpp's `special_eog_ids`. */
const endings: ReadonlySet<unknown> = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '<|end_of_text|>',
  '<end_of_utterance>',
]);

const trained = 'rope.scaling.original_context_length';

function ropeScaling(read: Fields, factors: ReadonlyMap<string, Float32Array>, headWidth: number): JsonObject | null {
  const [stretch, short, long] = ropeFactors.map((name) => factors.get(name));
  if (stretch) return llama3Scaling(read, stretch, headWidth);
  if (short && long) {
    return {
      rope_type: 'longrope',
      short_factor: [...short],
      long_factor: [...long],
      original_max_position_embeddings: read.whole(trained),
      attention_factor: read.has('rope.scaling.attn_factor') ? read.number('rope.scaling.attn_factor') : null,
    };
  }
  const kind = read.choice('rope.scaling.type', ['none', 'linear', 'yarn'], 'none');
  if (kind === 'none') return null;
  const scaling = { rope_type: kind, factor: read.number('rope.scaling.factor') };
  if (kind === 'linear') return scaling;
  const own = yarnNames.filter(([, key]) => read.has(key)).map(([name, key]) => [name, read.number(key)]);
  return { ...scaling, original_max_position_embeddings: read.whole(trained), ...Object.fromEntries(own) };
}

/** What a file says of YaRN where the model's config.json did. */
const yarnNames = [
  ['attention_factor', 'rope.scaling.yarn_attn_factor'],
  ['beta_fast', 'rope.scaling.yarn_beta_fast'],
  ['beta_slow', 'rope.scaling.yarn_beta_slow'],
] as const;

/** Beside its scaling, LongRoPE, Phi-3 has the trained length once more, which counts before the scaling's. */
function ofPhi3(scaling: JsonObject | null): JsonObject {
  if (scaling?.rope_type !== 'longrope') return {};
  const { original_max_position_embeddings } = scaling;
  return { original_max_position_embeddings };
}

/** What files leave out: the base of the original paper. */
const usualTheta = 10_000;

/** All published models of the Llama 3 rule share these; only their factor differs. */
const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 } as const;

/** The rule behind stored factors, which is refused where it does not give them back. */
function llama3Scaling(read: Fields, factors: Float32Array, headWidth: number): JsonObject {
  const theta = read.number('rope.freq_base', usualTheta);
  const factor = factors.reduce((a, b) => Math.max(a, b), 1);
  const fits = factors.every((stored, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headWidth);
    const turns = llama3.original_max_position_embeddings / wavelength;
    const smooth = (turns - llama3.low_freq_factor) / (llama3.high_freq_factor - llama3.low_freq_factor);
    const share = Math.min(1, Math.max(0, smooth));
    return Math.abs(stored * ((1 - share) / factor + share) - 1) < 1e-3;
  });
  if (!fits || factors.length !== headWidth / 2) {
    throw new QuintetError('unsupported', `${ropeFactors[0]} holds factors of no known rule`, { at: read.at });
  }
  return { rope_type: 'llama3', factor, ...llama3 };
}
