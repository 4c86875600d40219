import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createTokenizer, ggufTokenizer } from '../../src/text/index.js';

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly string[] };
}
const fixture = new URL('../fixtures/text/tokenizers.json', import.meta.url);
const { texts, styles } = JSON.parse(readFileSync(fixture, 'utf8')) as {
  texts: readonly string[];
  styles: Readonly<Record<string, { tokenizer: TokenizerJson; ids: readonly number[][] }>>;
};
const json = (name: string): TokenizerJson => (styles[name] as { tokenizer: TokenizerJson }).tokenizer;

/** The tokens of a style by id, with the types of GGUF. */
function tokensOf(name: string, special: readonly string[]) {
  const tokenizer = createTokenizer(json(name));
  const tokens = Array.from({ length: tokenizer.size }, (_, id) => tokenizer.tokenOf(id) as string);
  const typeOf = (token: string): number => {
    if (token === '<unk>' || token === '[UNK]') return 2;
    return special.includes(token) ? 3 : /^<0x/.test(token) ? 6 : 1;
  };
  return { 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.token_type': tokens.map(typeOf) };
}
const specials = ['<s>', '</s>', '<pad>', '<image>'];

test('a byte-level GGUF gives the ids of the tokenizer.json it came from', () => {
  for (const [style, pre] of [
    ['llama3', 'llama-bpe'],
    ['qwen2', 'qwen2'],
    ['o200k', 'gpt-4o'],
  ] as const) {
    const metadata = {
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': pre,
      ...tokensOf(style, specials),
      'tokenizer.ggml.merges': json(style).model.merges,
      'tokenizer.ggml.bos_token_id': 0,
      'tokenizer.ggml.eos_token_id': 1,
    };
    const tokenizer = ggufTokenizer(metadata);
    // Whether a whole piece is taken without merging lies in `pre`; the o200k fixture merges.
    const wanted = createTokenizer({ ...json(style), model: { ...json(style).model, ignore_merges: pre !== 'qwen2' } });
    for (const text of texts) {
      expect(tokenizer.encode(text, { parse: true }), text).toEqual(wanted.encode(text, { parse: true }));
    }
    expect(tokenizer.special).toEqual({ bos: 0, eos: 1 });
    expect(tokenizer.encode('a', { special: true })[0] === 0).toBe(pre === 'llama-bpe');
  }
});

test('pre = smollm splits single digits off before the GPT-2 pattern', () => {
  const metadata = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'smollm',
    'tokenizer.ggml.tokens': ['a', '1', '2', 'Ġ', 'ĠĠ', 'Ġ1', '12'],
    'tokenizer.ggml.merges': ['Ġ Ġ', 'Ġ 1', '1 2'],
  };
  const spell = (pre: string): (string | undefined)[] => {
    const tokenizer = ggufTokenizer(new Map(Object.entries({ ...metadata, 'tokenizer.ggml.pre': pre })));
    return tokenizer.encode('a  12').map(tokenizer.tokenOf);
  };
  expect(spell('smollm')).toEqual(['a', 'ĠĠ', '1', '2']);
  expect(spell('gpt-2')).toEqual(['a', 'Ġ', 'Ġ1', '2']);
  expect(() => spell('smolm')).toThrow('did you mean smollm?');
});

test('merges of a SentencePiece GGUF follow from its scores', () => {
  // Earlier pieces score higher, so "ab" is made before "bc".
  const tokens = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`),
  ];
  const pieces = ['ab', 'bc', 'abc', '▁a', '▁', 'a', 'b', 'c'];
  const metadata = {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': [...tokens, ...pieces],
    'tokenizer.ggml.token_type': Int32Array.from([
      2,
      3,
      3,
      ...Array.from({ length: 256 }, () => 6),
      ...pieces.map(() => 1),
    ]),
    'tokenizer.ggml.scores': Float32Array.from([...tokens.map(() => 0), ...pieces.map((_, i) => -i)]),
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.unknown_token_id': 0,
  };
  const tokenizer = ggufTokenizer(metadata);
  const spell = (text: string) => tokenizer.encode(text, { special: true }).map(tokenizer.tokenOf);
  expect(spell('abc')).toEqual(['<s>', '▁', 'abc']);
  expect(spell('a bcb')).toEqual(['<s>', '▁a', '▁', 'bc', 'b']);
  expect(spell('é')).toEqual(['<s>', '▁', '<0xC3>', '<0xA9>']);
  expect(tokenizer.decode(tokenizer.encode('ab é c'))).toBe('ab é c');
  expect(tokenizer.special).toEqual({ bos: 1, eos: 2, unk: 0 });
});

test('a BERT GGUF gives the ids of its tokenizer.json', () => {
  const tokens = tokensOf('bert', ['[PAD]', '[CLS]', '[SEP]', '[MASK]']);
  const spelled = tokens['tokenizer.ggml.tokens'].map((token, id) => {
    if (tokens['tokenizer.ggml.token_type'][id] !== 1) return token;
    return token.startsWith('##') ? token.slice(2) : `▁${token}`;
  });
  const tokenizer = ggufTokenizer({
    'tokenizer.ggml.model': 'bert',
    ...tokens,
    'tokenizer.ggml.tokens': spelled,
    'tokenizer.ggml.bos_token_id': 2,
    'tokenizer.ggml.seperator_token_id': 3,
  });
  const wanted = createTokenizer(json('bert'));
  for (const text of texts) {
    expect(tokenizer.encode(text, { parse: true, special: true }), text).toEqual(
      wanted.encode(text, { parse: true, special: true }),
    );
  }
});

test('metadata without a known tokenizer is refused', () => {
  expect(() => ggufTokenizer({ 'tokenizer.ggml.model': 'rwkv' })).toThrow('known are gpt2, llama, bert');
  expect(() => ggufTokenizer({})).toThrow('tokenizer.ggml.model');
  const twice = { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['a', 'a'], 'tokenizer.ggml.merges': [] };
  expect(() => ggufTokenizer(twice)).toThrow('a token stands twice');
});
