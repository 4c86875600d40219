/** A language model in one GGUF file, its weights drawn from a seed. */
import { seedFor } from '../../src/tensor/index.js';
import { type GgufTensor, type GgufValue, ggufBytes, texts, u32 } from '../checkpoint/gguf-bytes.js';

export interface GgufModelOptions {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocab: number;
  /** Whether matrices are of blocks of 32 bytes with a scale (Q8_0) instead of f32. */
  readonly blocks: boolean;
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const count = (value: number): Uint8Array => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const f32 = (value: number): GgufValue => ({ type: 6, bytes: new Uint8Array(new Float32Array([value]).buffer) });
const list = (items: readonly string[]): GgufValue => ({
  type: 9,
  bytes: joined([u32(8).bytes, count(items.length), ...items.map((item) => texts(item).bytes)]),
});

/** Numbers around zero: in blocks each of 32 has the scale 2^-10. */
function matrix(name: string, shape: readonly [number, number], blocks: boolean): GgufTensor {
  const size = shape[0] * shape[1];
  const level = (i: number): number => (Math.imul(i + seedFor(1, name), 2654435761) >>> 24) - 128;
  if (!blocks) {
    const values = Float32Array.from({ length: size }, (_, i) => level(i) / 1024);
    return { name, shape, type: 0, bytes: new Uint8Array(values.buffer) };
  }
  const bytes = new Uint8Array((size / 32) * 34);
  for (let block = 0; block < size / 32; block++) {
    bytes[34 * block + 1] = 0x14; // 2^-10 in f16, its low byte first
    for (let i = 0; i < 32; i++) bytes[34 * block + 2 + i] = level(32 * block + i) & 255;
  }
  return { name, shape, type: 8, bytes };
}

const ones = (name: string, size: number): GgufTensor => ({
  ...{ name, shape: [size], type: 0 },
  bytes: new Uint8Array(new Float32Array(size).fill(1).buffer),
});

/** Names and settings as llama.cpp writes them; the vocabulary is the bytes of GPT-2's alphabet and fillers. */
export function ggufModel({ width, depth, heads, hidden, vocab, blocks }: GgufModelOptions): Uint8Array {
  const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const tokens = Array.from({ length: vocab }, (_, i) => letters[i] ?? (i === 94 ? 'ab' : `token${i}`));
  const layer = (i: number): GgufTensor[] => [
    ones(`blk.${i}.attn_norm.weight`, width),
    ...['q', 'k', 'v', 'output'].map((part) => matrix(`blk.${i}.attn_${part}.weight`, [width, width], blocks)),
    ones(`blk.${i}.ffn_norm.weight`, width),
    matrix(`blk.${i}.ffn_gate.weight`, [hidden, width], blocks),
    matrix(`blk.${i}.ffn_up.weight`, [hidden, width], blocks),
    matrix(`blk.${i}.ffn_down.weight`, [width, hidden], blocks),
  ];
  return ggufBytes(
    [
      ['general.architecture', texts('llama')],
      ['llama.context_length', u32(512)],
      ['llama.embedding_length', u32(width)],
      ['llama.block_count', u32(depth)],
      ['llama.feed_forward_length', u32(hidden)],
      ['llama.attention.head_count', u32(heads)],
      ['llama.attention.layer_norm_rms_epsilon', f32(1e-5)],
      ['tokenizer.ggml.model', texts('gpt2')],
      ['tokenizer.ggml.pre', texts('gpt-2')],
      ['tokenizer.ggml.tokens', list(tokens)],
      ['tokenizer.ggml.merges', list(['a b'])],
      ['tokenizer.ggml.eos_token_id', u32(0)],
    ],
    [
      matrix('token_embd.weight', [vocab, width], blocks),
      ...Array.from({ length: depth }, (_, i) => layer(i)).flat(),
      ones('output_norm.weight', width),
    ],
  );
}
