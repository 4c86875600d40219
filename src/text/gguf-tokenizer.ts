/**
 * The tokenizer of a GGUF file, from its metadata (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): the parts are
 * written down as the tokenizer.json they came from.
 */
import { type Fields, fields, nearest, QuintetError } from '../tensor/index.js';
import { createTokenizer, type Tokenizer } from './tokenizer.js';

/** Values of `tokenizer.ggml.token_type`. */
const types = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
/** cl100k: words with one sign before them, numbers of up to `digits`. */
const words = (digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`;
const [upper, lower] = ['[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]', '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'];
/** o200k: words cut before capitals. */
const cased = (ending: string, digits: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${ending}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`;

/** The patterns of the tokenizer.json files that `tokenizer.ggml.pre` names, one cut after another. */
const gpt2Cut = [gpt2];
const digitCut = ['\\p{N}', gpt2]; // single digits first: two spaces before a digit then are two tokens
const llama3Cut = [words('\\p{N}{1,3}')];
const qwen2Cut = [words('\\p{N}')];
const patterns: Readonly<Record<string, readonly string[]>> = {
  default: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2, '\\p{N}+', '[0-9][0-9][0-9]'],
  'gpt-2': gpt2Cut,
  mpt: gpt2Cut,
  olmo: gpt2Cut,
  jais: gpt2Cut,
  'phi-2': gpt2Cut,
  exaone4: gpt2Cut,
  starcoder: digitCut,
  refact: digitCut,
  'command-r': digitCut,
  smollm: digitCut,
  codeshell: digitCut,
  exaone: digitCut,
  'llama-bpe': llama3Cut,
  llama3: llama3Cut,
  'llama-v3': llama3Cut,
  falcon3: llama3Cut,
  dbrx: llama3Cut,
  'smaug-bpe': llama3Cut,
  'chatglm-bpe': llama3Cut,
  glm4: llama3Cut,
  qwen2: qwen2Cut,
  'deepseek-r1-qwen': qwen2Cut,
  stablelm2: qwen2Cut,
  hunyuan: qwen2Cut,
  megrez: qwen2Cut,
  'gpt-4o': [cased(`${contractions}?`, '\\p{N}{1,3}')],
  llama4: [cased(`${contractions}?`, '\\p{N}{1,3}')],
  tekken: [cased('', '\\p{N}')],
  falcon: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2, '[0-9][0-9][0-9]'],
  'deepseek-coder': ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-\ud7ff]+', '\\p{N}'],
};
/** Families whose tokenizer.json takes a piece that is a token without merging. */
const wholeTokens: readonly string[] = ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'tekken', 'gpt-4o', 'llama4'];

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly at: string;
}

/** A function of each `tokenizer.ggml.model` to the model and what stands around it. */
const kinds: Readonly<Record<string, (metadata: Fields, vocabulary: Vocabulary) => Record<string, unknown>>> = {
  gpt2: byteLevelBpe,
  llama: sentencePieceBpe,
  bert: wordPieces,
};

/** Throws 'tokenizer' or 'config' where the metadata describes no tokenizer that is known here. */
export function ggufTokenizer(
  metadata: ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>,
  at = 'GGUF metadata',
): Tokenizer {
  const raw = fields(metadata instanceof Map ? Object.fromEntries(metadata) : metadata, at);
  const kind = raw.text('tokenizer.ggml.model');
  const describe = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (describe === undefined) {
    throw new QuintetError('tokenizer', `tokenizer.ggml.model "${kind}" is unknown`, {
      at,
      hint: `known are ${Object.keys(kinds).join(', ')}`,
    });
  }
  const tokens = raw.texts('tokenizer.ggml.tokens');
  const vocabulary = { tokens, types: numbersOf(raw, 'token_type', tokens.length, types.normal), at };
  const idOf = (role: string): number | undefined => {
    const name = `tokenizer.ggml.${role}_token_id`;
    const id = raw.has(name) ? raw.whole(name) : undefined;
    return id !== undefined && tokens[id] !== undefined ? id : undefined;
  };
  const roles = { bos: idOf('bos'), eos: idOf('eos'), pad: idOf('padding'), unk: idOf('unknown') };
  const config = Object.fromEntries(
    Object.entries(roles).flatMap(([role, id]) => (id === undefined ? [] : [[`${role}_token`, tokens[id]]])),
  );
  const description = {
    added_tokens: addedTokens(vocabulary),
    post_processor: surround(raw, kind, roles, tokens),
    ...describe(raw, vocabulary),
  };
  return createTokenizer(description, config, at);
}

/** A list of numbers as long as the tokens; readers give arrays or typed arrays. */
function numbersOf(raw: Fields, name: string, length: number, otherwise?: number): readonly number[] {
  const found = raw.raw[`tokenizer.ggml.${name}`];
  if (found === undefined && otherwise !== undefined) return Array.from({ length }, () => otherwise);
  const list = Array.isArray(found) || ArrayBuffer.isView(found) ? Array.from(found as ArrayLike<unknown>, Number) : [];
  if (list.length !== length || !list.every(Number.isFinite)) {
    throw new QuintetError('tokenizer', `tokenizer.ggml.${name}: expected ${length} numbers`, { at: raw.at });
  }
  return list;
}

function addedTokens({ tokens, types: typeOf }: Vocabulary): readonly unknown[] {
  return tokens.flatMap((content, id) => {
    const special = typeOf[id] === types.control || typeOf[id] === types.unknown;
    return special || typeOf[id] === types.userDefined ? [{ id, content, special, normalized: false }] : [];
  });
}

function idsByToken({ tokens, at }: Vocabulary): Map<string, number> {
  const ids = new Map(tokens.map((token, id) => [token, id] as const));
  if (ids.size !== tokens.length) throw new QuintetError('tokenizer', 'a token stands twice', { at });
  return ids;
}

/** Without a statement of the file, SentencePiece models begin with bos, and BERT stands between its tokens. */
function surround(
  raw: Fields,
  kind: string,
  roles: Readonly<Record<string, number | undefined>>,
  tokens: readonly string[],
) {
  const separator = raw.has('tokenizer.ggml.seperator_token_id')
    ? raw.whole('tokenizer.ggml.seperator_token_id')
    : roles.eos;
  const begins = raw.flag('tokenizer.ggml.add_bos_token', kind !== 'gpt2' || beginsByName(raw));
  const ends = raw.flag('tokenizer.ggml.add_eos_token', kind === 'bert');
  const items: unknown[] = [{ Sequence: { id: 'A', type_id: 0 } }];
  const ids: Record<string, unknown> = {};
  const special = (id: number | undefined): readonly unknown[] => {
    const token = id === undefined ? undefined : tokens[id];
    if (token === undefined) return [];
    ids[token] = { id: token, ids: [id], tokens: [token] };
    return [{ SpecialToken: { id: token, type_id: 0 } }];
  };
  const single = [
    ...(begins ? special(roles.bos) : []),
    ...items,
    ...(ends ? special(kind === 'bert' ? separator : roles.eos) : []),
  ];
  return { type: 'TemplateProcessing', single, special_tokens: ids };
}

function beginsByName(raw: Fields): boolean {
  return ['llama-bpe', 'llama3', 'llama-v3', 'tekken'].includes(raw.text('tokenizer.ggml.pre', 'default'));
}

function byteLevelBpe(raw: Fields, vocabulary: Vocabulary): Record<string, unknown> {
  const pre = raw.text('tokenizer.ggml.pre', 'default');
  const cuts = Object.hasOwn(patterns, pre) ? patterns[pre] : undefined;
  if (cuts === undefined) {
    throw new QuintetError('tokenizer', `tokenizer.ggml.pre "${pre}" is unknown`, {
      at: raw.at,
      hint: `did you mean ${nearest(pre, Object.keys(patterns)) ?? 'default'}? The model's own tokenizer.json can be used instead`,
    });
  }
  const split = (pattern: string) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  });
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: raw.flag('tokenizer.ggml.add_space_prefix', false),
    use_regex: false,
  };
  return {
    normalizer: cuts === qwen2Cut ? { type: 'NFC' } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...cuts.map(split), byteLevel] },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(idsByToken(vocabulary)),
      merges: raw.texts('tokenizer.ggml.merges'),
      ignore_merges: wholeTokens.includes(pre),
    },
  };
}

/** Llama 1 and 2: merges are not stored, but follow from the scores. */
function sentencePieceBpe(raw: Fields, vocabulary: Vocabulary): Record<string, unknown> {
  const vocab = idsByToken(vocabulary);
  const scores = numbersOf(raw, 'scores', vocabulary.tokens.length);
  const unknown = vocabulary.tokens[vocabulary.types.indexOf(types.unknown)];
  const prepends = raw.flag('tokenizer.ggml.add_space_prefix', true);
  const space = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const strip = prepends ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [];
  return {
    normalizer: { type: 'Sequence', normalizers: [...(prepends ? [{ type: 'Prepend', prepend: '▁' }] : []), space] },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...strip,
      ],
    },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(vocab),
      merges: mergesOf(vocabulary, vocab, scores),
      unk_token: unknown,
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

/**
 * Every way to put a piece together from two others, best score first, as transformers converts SentencePiece models. Pieces
 * of more than 128 characters are no result of training and have no merges.
 */
function mergesOf(
  { tokens, types: typeOf }: Vocabulary,
  vocab: ReadonlyMap<string, number>,
  scores: readonly number[],
) {
  const merges: { left: string; right: string; score: number; order: readonly number[] }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (typeOf[id] !== types.normal || token.length > 128) continue;
    for (let at = 1; at < token.length; at++) {
      const [left, right] = [token.slice(0, at), token.slice(at)];
      const [leftId, rightId] = [vocab.get(left), vocab.get(right)];
      if (leftId === undefined || rightId === undefined) continue;
      merges.push({ left, right, score: scores[id] as number, order: [left.length, right.length, -leftId, -rightId] });
    }
  }
  const byOrder = (a: readonly number[], b: readonly number[]): number => {
    const differing = a.findIndex((value, i) => value !== b[i]);
    return differing === -1 ? 0 : (b[differing] as number) - (a[differing] as number);
  };
  merges.sort((a, b) => b.score - a.score || byOrder(a.order, b.order));
  return merges.map(({ left, right }) => [left, right]);
}

/** BERT: in the file `▁` starts a word and its continuations are bare; in tokenizer.json they begin with `##`. */
function wordPieces(_: Fields, { tokens, types: typeOf, at }: Vocabulary): Record<string, unknown> {
  const spelled = tokens.map((token, id) => {
    if (typeOf[id] !== types.normal) return token;
    return token.startsWith('▁') ? token.slice(1) : `##${token}`;
  });
  const vocab = idsByToken({ tokens: spelled, types: typeOf, at });
  return {
    normalizer: { type: 'BertNormalizer', lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', vocab: Object.fromEntries(vocab), unk_token: vocab.has('[UNK]') ? '[UNK]' : '<unk>' },
  };
}
