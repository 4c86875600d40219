import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ggufTokenIds } from '../../src/checkpoint/gguf-llama.js';
import {
  bytesSource,
  openCheckpoint,
  openGguf,
  openModelFolder,
  parseGgufHeader,
  quantisedTypes,
} from '../../src/checkpoint/index.js';
import { bytesOf, f32ToF16, QuintetError, toNumbers } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';
import { type GgufTensor, type GgufValue, ggufBytes, texts, u32 } from './gguf-bytes.js';

const fixtures = join(import.meta.dirname, '../fixtures/checkpoint');

describe('a file of the reference writer', () => {
  test('gives the f32 values of the reference for every type, bit for bit', async () => {
    const file = await openCheckpoint(join(fixtures, 'blocks.gguf'));
    const expected = await openCheckpoint(join(fixtures, 'blocks.safetensors'));
    const types = [...expected.tensors.keys()];
    expect(types).toEqual(expect.arrayContaining([...Object.keys(quantisedTypes), 'F32', 'F16', 'BF16']));
    for (const name of types) {
      const array = await file.read(name);
      const values = new Float32Array(toNumbers(array));
      const reference = await expected.read(name);
      expect(array.shape, name).toEqual(reference.shape);
      expect(Buffer.compare(bytesOf({ ...reference, data: values }), bytesOf(reference)), name).toBe(0);
    }
    expect(toNumbers(await file.read('I32'))).toEqual(Array.from({ length: 24 }, (_, i) => i));
    expect(file.tensors.get('I32')?.shape).toEqual([2, 3, 4]);
    await file.close();
    await expected.close();
  });

  test('gives its key-value pairs of all types', async () => {
    const file = await openCheckpoint(join(fixtures, 'blocks.gguf'));
    const found = Object.fromEntries(file.metadata);
    expect(found).toMatchObject({
      'value.u8': 200,
      'value.i8': -100,
      'value.u16': 60000,
      'value.i16': -30000,
      'value.u32': 4000000000,
      'value.i32': -2000000000,
      'value.f32': 0.5,
      'value.bool': true,
      'value.text': 'naïve 🙂',
      'value.u64': 2n ** 63n + 1n,
      'value.i64': -(2 ** 40),
      'value.f64': 0.1,
      'list.i32': new Int32Array([1, -2, 3]),
      'list.f32': new Float32Array([0.5, -1.5]),
      'list.texts': ['a', '', 'é'],
      'list.flags': [true, false],
      'list.lists': [new Int32Array([1, 2]), new Int32Array([3])],
    });
    await file.close();
  });

  test('is asked for more bytes as long as the header is not whole, and never beyond it', () => {
    const bytes = new Uint8Array(readFileSync(join(fixtures, 'blocks.gguf')));
    let needed = 0;
    while (parseGgufHeader(bytes.subarray(0, needed), bytes.byteLength, 'x') === undefined) needed++;
    const header = parseGgufHeader(bytes.subarray(0, needed), bytes.byteLength, 'x');
    const begin = header?.entries[0]?.offset ?? 0;
    expect(begin - needed).toBeGreaterThanOrEqual(0);
    expect(begin - needed).toBeLessThan(32);
  });
});

describe('a model of the Llama family', () => {
  // 2 heads of queries and 1 of keys, each 8 wide: [output rows, input width] = [16, 8] and [8, 8].
  const size = { embedding_length: 8, feed_forward_length: 16, block_count: 1, context_length: 64 };
  const attention = { 'attention.head_count': 2, 'attention.head_count_kv': 1, 'attention.key_length': 8 };
  const pairs = (architecture: string): [string, GgufValue][] => [
    ['general.architecture', texts(architecture)],
    ...Object.entries({ ...size, ...attention }).map(([k, v]): [string, GgufValue] => [`${architecture}.${k}`, u32(v)]),
    [
      `${architecture}.attention.layer_norm_rms_epsilon`,
      { type: 6, bytes: new Uint8Array(new Float32Array([2 ** -17]).buffer) },
    ],
    ['tokenizer.ggml.eos_token_id', u32(2)],
    ['tokenizer.chat_template', texts('{{ messages }}')],
  ];
  /** Each row holds its own number. */
  const rows = (name: string, count: number): GgufTensor => {
    const values = Float32Array.from({ length: count * 8 }, (_, i) => Math.floor(i / 8));
    return { name, shape: [count, 8], type: 0, bytes: new Uint8Array(values.buffer) };
  };
  const tensors = [
    rows('token_embd.weight', 10),
    rows('blk.0.attn_q.weight', 16),
    rows('blk.0.attn_k.weight', 8),
    rows('blk.0.attn_v.weight', 4),
  ];
  const firstColumn = (values: number[]) => values.filter((_, i) => i % 8 === 0);

  test('opens like a folder: config, special tokens, template and Hugging Face names', async () => {
    const folder = temporaryFolder({ 'x.gguf': ggufBytes(pairs('llama'), tensors) });
    const model = await openModelFolder(join(folder, 'x.gguf'));
    expect(model.config).toEqual({
      model_type: 'llama',
      architectures: ['LlamaForCausalLM'],
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 8,
      hidden_act: 'silu',
      max_position_embeddings: 64,
      rms_norm_eps: 2 ** -17,
      rope_theta: 10_000,
      rope_scaling: null,
      vocab_size: 10,
      tie_word_embeddings: true,
      attention_bias: false,
      mlp_bias: false,
      eos_token_id: 2,
    });
    expect(model.generationConfig).toEqual({ eos_token_id: 2 });
    expect(model.chatTemplates.get('default')).toBe('{{ messages }}');
    expect([...model.checkpoint.tensors.keys()]).toEqual([
      'model.embed_tokens.weight',
      'model.layers.0.self_attn.q_proj.weight',
      'model.layers.0.self_attn.k_proj.weight',
      'model.layers.0.self_attn.v_proj.weight',
    ]);
    await model.checkpoint.close();
  });

  test('keeps a mark of byte order that a text begins with: a token may', async () => {
    const metadata: [string, GgufValue][] = [...pairs('llama'), ['general.name', texts('\ufeffusing')]];
    const file = await openGguf(bytesSource(ggufBytes(metadata, tensors), 'x'));
    expect(file.metadata.get('general.name')).toBe('\ufeffusing');
    await file.close();
  });

  test('has the rows of queries and keys, and of nothing else, put back: pairs become halves', async () => {
    const file = await openGguf(bytesSource(ggufBytes(pairs('llama'), tensors), 'x'));
    const stored = async (name: string) =>
      firstColumn(toNumbers(await file.read(`model.layers.0.self_attn.${name}.weight`)));
    expect(await stored('q_proj')).toEqual([0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]);
    expect(await stored('k_proj')).toEqual([0, 2, 4, 6, 1, 3, 5, 7]);
    expect(await stored('v_proj')).toEqual([0, 1, 2, 3]);
    for (const [name, { source }] of file.tensors) {
      expect((source as { bytes: Uint8Array }).bytes, name).toEqual(bytesOf(await file.read(name)));
    }
  });

  test('of the architecture qwen2 keeps its rows', async () => {
    const file = await openGguf(bytesSource(ggufBytes(pairs('qwen2'), tensors), 'x'));
    const query = await file.read('model.layers.0.self_attn.q_proj.weight');
    expect(firstColumn(toNumbers(query))).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  test('with stored rotation factors has the rule of Llama 3.1 in its config', async () => {
    // head width 128, theta 500000, factor 8: what convert_hf_to_gguf.py computes.
    const factors = Float32Array.from({ length: 64 }, (_, i) => {
      const wavelength = (2 * Math.PI) / 500_000 ** (-i / 64);
      if (wavelength < 8192 / 4) return 1;
      if (wavelength > 8192) return 8;
      const smooth = (8192 / wavelength - 1) / 3;
      return 1 / ((1 - smooth) / 8 + smooth);
    });
    const theta: GgufValue = { type: 6, bytes: new Uint8Array(new Float32Array([500_000]).buffer) };
    const metadata: [string, GgufValue][] = [
      ...pairs('llama').filter(([key]) => !key.endsWith('key_length')),
      ['llama.rope.freq_base', theta],
      ['llama.attention.key_length', u32(128)],
    ];
    const open = (values: Float32Array) => {
      const stored = { name: 'rope_freqs.weight', shape: [64], type: 0, bytes: new Uint8Array(values.slice().buffer) };
      return openGguf(bytesSource(ggufBytes(metadata, [...tensors.slice(0, 1), stored]), 'x'));
    };
    const file = await open(factors);
    expect(file.config?.rope_scaling).toEqual({
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
    expect([...file.tensors.keys()]).toEqual(['model.embed_tokens.weight']);
    await expect(open(factors.map((x) => Math.sqrt(x)))).rejects.toThrow('factors of no known rule');
  });

  test('has the trained length in its scaling, and of LongRoPE beside it too', async () => {
    const float = (value: number): GgufValue => ({ type: 6, bytes: new Uint8Array(new Float32Array([value]).buffer) });
    const length = ['rope.scaling.original_context_length', u32(32)] as const;
    const open = async (architecture: string, own: readonly (readonly [string, GgufValue])[], names: string[] = []) => {
      const ofFamily = own.map(([key, value]): [string, GgufValue] => [`${architecture}.${key}`, value]);
      const stored = names.map((name) => ({ name, shape: [4], type: 0, bytes: new Uint8Array(16) }));
      const bytes = ggufBytes([...pairs(architecture), ...ofFamily], [...tensors.slice(0, 1), ...stored]);
      return (await openGguf(bytesSource(bytes, 'x'))).config;
    };
    const scaled = [['rope.scaling.type', texts('yarn')] as const, ['rope.scaling.factor', float(2)] as const, length];
    const yarn = await open('qwen2', scaled);
    expect(yarn?.rope_scaling).toEqual({ rope_type: 'yarn', factor: 2, original_max_position_embeddings: 32 });
    expect(yarn).not.toHaveProperty('original_max_position_embeddings');
    const own = ['attn_factor', 'beta_fast', 'beta_slow'].map(
      (name, i) => [`rope.scaling.yarn_${name}`, float(i + 0.5)] as const,
    );
    expect((await open('qwen2', [...scaled, ...own]))?.rope_scaling).toEqual({
      ...{ rope_type: 'yarn', factor: 2, original_max_position_embeddings: 32 },
      ...{ attention_factor: 0.5, beta_fast: 1.5, beta_slow: 2.5 },
    });
    const long = await open('phi3', [length], ['rope_factors_short.weight', 'rope_factors_long.weight']);
    expect(long).toMatchObject({
      original_max_position_embeddings: 32,
      rope_scaling: { rope_type: 'longrope', original_max_position_embeddings: 32 },
    });
  });

  test('of an architecture that is not known opens as a checkpoint under its own names, not as a model', async () => {
    const folder = temporaryFolder({ 'x.gguf': ggufBytes(pairs('mamba'), tensors) });
    const file = await openCheckpoint(folder);
    expect([...file.tensors.keys()]).toContain('blk.0.attn_q.weight');
    await file.close();
    await expect(openModelFolder(join(folder, 'x.gguf'))).rejects.toThrow('the architecture "mamba"');
  });

  test('whose heads do not divide its rows is refused when it is opened', async () => {
    const odd = ggufBytes(pairs('llama'), [rows('token_embd.weight', 10), rows('blk.0.attn_q.weight', 6)]);
    await expect(openGguf(bytesSource(odd, 'x'))).rejects.toThrow('6 rows are not 2 heads of an even width');
  });

  test('keeps quantised rows whole when it puts them back', async () => {
    // Q8_0 rows of 32: every row has its own scale.
    const row = (i: number) => {
      const scale = f32ToF16(i + 1);
      return [scale & 255, scale >> 8, ...new Array<number>(32).fill(1)];
    };
    const bytes = new Uint8Array(Array.from({ length: 8 }, (_, i) => row(i)).flat());
    const query = { name: 'blk.0.attn_q.weight', shape: [8, 32], type: 8, bytes };
    const metadata: [string, GgufValue][] = [...pairs('llama'), ['llama.vocab_size', u32(10)]];
    const file = await openGguf(bytesSource(ggufBytes(metadata, [query]), 'x'));
    const name = 'model.layers.0.self_attn.q_proj.weight';
    expect(toNumbers(await file.read(name)).filter((_, i) => i % 32 === 0)).toEqual([1, 3, 2, 4, 5, 7, 6, 8]);
    const stored = file.tensors.get(name);
    expect(stored?.dtype).toBe('Q8_0');
    expect((stored as { source: { bytes: Uint8Array } }).source.bytes.slice(34, 36)).toEqual(
      new Uint8Array(row(2).slice(0, 2)),
    );
  });
});

describe('a malformed file is refused:', () => {
  const one: GgufTensor = { name: 'a', shape: [2], type: 0, bytes: new Uint8Array(8) };
  const block: GgufTensor = { name: 'a', shape: [1, 32], type: 2, bytes: new Uint8Array(18) };
  const patched = (bytes: Uint8Array, at: number, values: number[]) => {
    const copy = bytes.slice();
    copy.set(values, at);
    return copy;
  };
  const huge = [255, 255, 255, 255, 255, 255, 255, 127];
  const plain = ggufBytes([], [one]);
  const list = (type: number, count: bigint, rest: number[] = []): GgufValue => {
    const bytes = new Uint8Array(12 + rest.length);
    new DataView(bytes.buffer).setUint32(0, type, true);
    new DataView(bytes.buffer).setBigUint64(4, count, true);
    bytes.set(rest, 12);
    return { type: 9, bytes };
  };
  const nested = (depth: number): GgufValue => {
    const inner = depth === 0 ? list(0, 0n) : nested(depth - 1);
    return list(9, 1n, [...inner.bytes]);
  };
  const cases: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), '4 bytes announced'],
    ['another magic number', patched(plain, 0, [0]), 'does not begin with "GGUF"'],
    ['version 1', patched(plain, 4, [1]), 'version 1'],
    ['a big-endian file', patched(plain, 4, [0, 0, 0, 3]), 'big-endian'],
    ['2^63 tensors', patched(plain, 8, huge), 'a count of'],
    ['a million tensors', patched(plain, 8, [0x40, 0x42, 0x0f]), 'announced in'],
    ['a million key-value pairs', patched(plain, 16, [0x40, 0x42, 0x0f]), 'announced in'],
    ['a key longer than the file', ggufBytes([['k'.repeat(100), u32(1)]], []).subarray(0, 60), '100 bytes announced'],
    ['a key longer than 65535', ggufBytes([['k'.repeat(65_536), u32(1)]], []), 'at most 65535'],
    ['an empty key', ggufBytes([['', u32(1)]], []), 'is empty or stands twice'],
    [
      'a key twice',
      ggufBytes(
        [
          ['k', u32(1)],
          ['k', u32(1)],
        ],
        [],
      ),
      'is empty or stands twice',
    ],
    ['an unknown type of value', ggufBytes([['k', { type: 13, bytes: new Uint8Array(8) }]], []), 'unknown type 13'],
    ['a flag of 2', ggufBytes([['k', { type: 7, bytes: new Uint8Array([2]) }]], [one]), 'a flag of 2'],
    ['a list longer than the file', ggufBytes([['k', list(8, 1000n)]], [one]), 'a list of 1000 items'],
    ['a list of 2^62 numbers', ggufBytes([['k', list(12, 2n ** 62n)]], [one]), 'a count of'],
    ['a list of 2^50 numbers', ggufBytes([['k', list(12, 2n ** 50n)]], [one]), 'announced where'],
    ['lists in lists in lists', ggufBytes([['k', nested(6)]], [one]), 'nested deeper than 4'],
    ['an alignment of 0', ggufBytes([['general.alignment', u32(0)]], [one]), 'a power of two'],
    ['an alignment of 48', ggufBytes([['general.alignment', u32(48)]], [one]), 'a power of two'],
    ['an alignment that is a text', ggufBytes([['general.alignment', texts('32')]], [one]), 'a power of two'],
    ['five dimensions', ggufBytes([], [{ ...one, shape: [1, 1, 1, 1, 2] }]), 'has 5 dimensions'],
    ['dimensions whose product overflows', ggufBytes([], [{ ...one, shape: [2 ** 32, 2 ** 32] }]), 'too large'],
    ['an unknown type of tensor', ggufBytes([], [{ ...one, type: 99 }]), 'the type number 99'],
    ['a type that is not read, by name', ggufBytes([], [{ ...one, type: 20 }]), 'the type IQ4_NL'],
    [
      'a row that is no whole number of blocks',
      ggufBytes([], [{ ...block, shape: [2, 16] }]),
      'no whole blocks of Q4_0',
    ],
    ['a tensor twice', ggufBytes([], [one, one]), 'stands twice'],
    ['a tensor that begins elsewhere', ggufBytes([], [one, { ...one, name: 'b', offset: 8 }]), 'said to begin at 8'],
    ['a tensor that reaches beyond the file', ggufBytes([], [{ ...one, shape: [1000] }]), 'of a file of'],
    ['one part of several', ggufBytes([['split.count', u32(3)]], [one]), 'part 1 of 3 of a GGUF model'],
    ['no heads', ggufBytes([['general.architecture', texts('llama')]], [one]), 'llama.embedding_length'],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    const error: unknown = await openGguf(bytesSource(bytes, 'x.gguf')).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(QuintetError);
    expect((error as Error).message).toContain(message);
  });
});

test('what ends a turn by its name ends an answer, whether or not the file says it', () => {
  const ids = (...said: [string, unknown][]) => ggufTokenIds(new Map(said)).eos_token_id;
  const tokens = ['<s>', '</s>', 'end', '<|end|>', '<|im_end|>', '<|im_start|>'];
  expect(ids(['tokenizer.ggml.eos_token_id', 1], ['tokenizer.ggml.tokens', tokens])).toEqual([1, 3, 4]);
  expect(ids(['tokenizer.ggml.eos_token_id', 4], ['tokenizer.ggml.eot_token_id', 1])).toEqual([4, 1]);
  expect(ids(['tokenizer.ggml.tokens', tokens], ['tokenizer.ggml.eom_token_id', 0])).toEqual([0, 3, 4]);
  expect(ids(['tokenizer.ggml.eos_token_id', 4], ['tokenizer.ggml.tokens', tokens.toSpliced(3, 1, 'of')])).toBe(4);
  expect(ids(['tokenizer.ggml.tokens', ['a']])).toBeUndefined();
});
