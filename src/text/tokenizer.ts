/**
 * Tokenizers as tokenizer.json describes them, with the ids of the tokenizers library
 * (https://github.com/huggingface/tokenizers): added tokens are found, the text between them is normalised, split into
 * pieces and given to the model; a post-processor adds special tokens.
 */
import { type Fields, fields, QuintetError } from '../tensor/index.js';
import { type AddedToken, readAddedTokens, tokenFinders } from './added-tokens.js';
import { bpe } from './bpe.js';
import { wellFormed } from './char-set.js';
import { cleanUpStage } from './clean-up.js';
import { type TextStream, tokenDecoder } from './decode.js';
import { type Fuel, fuelFor } from './fuel.js';
import type { TokenModel } from './model.js';
import { normalizerOf } from './normalize.js';
import { surroundOf } from './post-process.js';
import { type Piece, splitterOf } from './split.js';
import { unigram } from './unigram.js';
import { wordLevel, wordPiece } from './word-piece.js';

export interface EncodeOptions {
  /** Adds the special tokens of the post-processor, such as a beginning-of-text token. Default false. */
  readonly special?: boolean;
  /**
   * Finds added tokens in the text. Default false: in what a user types, `<image>` and `</s>` are plain characters.
   * Runs of white space, which some files list as added tokens, are found either way.
   */
  readonly parse?: boolean;
}

/** Ids of the tokens with a role, where the files name them. */
export interface SpecialIds {
  readonly bos?: number;
  readonly eos?: number;
  readonly pad?: number;
  readonly unk?: number;
  readonly mask?: number;
}

export interface Tokenizer {
  /** One more than the largest id. */
  readonly size: number;
  readonly special: SpecialIds;
  /** Token ids of a text. Lone surrogates count as U+FFFD. Throws 'tokenizer' where a hostile file makes it too costly. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Token ids between the special tokens of the post-processor. */
  surround(ids: readonly number[]): number[];
  /** The text of token ids. Bytes that are not UTF-8 become U+FFFD, unknown ids nothing. */
  decode(ids: Iterable<number>, options?: { readonly skipSpecial?: boolean }): string;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** The bytes a token stands for in the middle of a text, or as its `first` token; none for an unknown id. */
  bytesOf(id: number, options?: { readonly first?: boolean }): Uint8Array;
  /** Whether `decode` leaves the token out under `skipSpecial`. */
  isSpecial(id: number): boolean;
  /** Tokens to text, one after another. */
  textStream(): TextStream;
}

const models: Readonly<Record<string, (model: Fields) => TokenModel>> = {
  BPE: bpe,
  Unigram: unigram,
  WordPiece: wordPiece,
  WordLevel: wordLevel,
};

/**
 * The tokenizer of a parsed tokenizer.json. `config` is the parsed tokenizer_config.json, from which only the roles of
 * special tokens and clean_up_tokenization_spaces are read. Throws 'tokenizer' or 'config' for a malformed file.
 */
export function createTokenizer(json: unknown, config: unknown = {}, at = 'tokenizer.json'): Tokenizer {
  const file = fields(json, at);
  const settings = fields(config, 'tokenizer_config.json');
  for (const name of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'])
    checkNesting(file.raw[name], name, at);
  const { model, kind } = readModel(file);
  const added = readAddedTokens(file.raw.added_tokens, model.vocab, at);
  const normalize = normalizerOf(file.raw.normalizer, at);
  const split = splitterOf(file.raw.pre_tokenizer, at);
  const { before, after } = surroundOf(file.raw.post_processor, at);
  const surround: Tokenizer['surround'] = (ids) => [...before, ...ids, ...after];
  // transformers ignores the setting for BPE, whose spaces are the text's own.
  const cleanUp = kind !== 'BPE' && settings.flag('clean_up_tokenization_spaces', false) ? cleanUpStage : undefined;
  const decoder = tokenDecoder(file.raw.decoder, at, cleanUp);
  const { idOf, tokens, special } = vocabulary(model, added);
  const specialIds = rolesOf(settings, model, idOf);
  const all = tokenFinders(added, normalize, fuelFor(0));
  const harmless = tokenFinders(
    added.filter(({ content }) => /^[\s▁]+$/.test(content)),
    normalize,
    fuelFor(0),
  );
  const guarded = new Map([...special].filter(([, id]) => id !== specialIds.unk).map(([text, id]) => [id, text]));

  function encode(text: string, { special: surrounded = false, parse = false }: EncodeOptions = {}): number[] {
    const fuel = fuelFor(text.length);
    const finders = parse ? all : harmless;
    const ids: number[] = [];
    for (const segment of finders.asWritten.split(wellFormed(text), fuel)) {
      if ('id' in segment) ids.push(segment.id);
      else stretch(segment.text, segment.start, finders, parse, fuel, ids);
    }
    return surrounded ? surround(ids) : ids;
  }

  /** The text between two tokens that were found as written. */
  function stretch(text: string, start: number, finders: typeof all, parse: boolean, fuel: Fuel, ids: number[]): void {
    for (const segment of finders.normalized.split(normalize(text, fuel), fuel)) {
      if ('id' in segment) {
        ids.push(segment.id);
        continue;
      }
      const whole: Piece = { text: segment.text, first: start === 0 && segment.start === 0 };
      for (const piece of split([whole], fuel)) {
        const found = parse ? model.encode(piece.text, fuel) : encodeGuarded(piece.text, model, guarded, fuel);
        for (const id of found) ids.push(id);
      }
    }
  }

  const textStream = decoder.stream;
  const tokenOf = (id: number): string | undefined => tokens[id];
  const isSpecial = (id: number): boolean => special.has(tokens[id] ?? '');
  return {
    size: tokens.length,
    special: specialIds,
    encode,
    surround,
    decode(ids, { skipSpecial = false } = {}) {
      const stream = textStream();
      const parts: string[] = [];
      for (const id of ids) {
        const token = tokens[id];
        if (token !== undefined && !(skipSpecial && special.has(token))) parts.push(stream.push(token));
      }
      return parts.join('') + stream.flush();
    },
    idOf,
    tokenOf,
    bytesOf: (id, { first = false } = {}) =>
      tokens[id] === undefined ? new Uint8Array() : decoder.bytes(tokens[id], first),
    isSpecial,
    textStream,
  };
}

/** Steps are read by functions that call themselves; files hold two or three within one another, and ten in all. */
function checkNesting(root: unknown, name: string, at: string): void {
  let level = [root];
  let count = 0;
  for (let depth = 0; level.length > 0; depth++) {
    count += level.length;
    if (depth > 16 || count > 2000)
      throw new QuintetError('tokenizer', `${name} nests or lists too many steps`, { at });
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
}

function readModel(file: Fields): { readonly model: TokenModel; readonly kind: string } {
  const spec = file.object('model');
  // Files of the library's first versions name no type.
  const kind = spec.text('type', spec.has('merges') ? 'BPE' : 'WordPiece');
  const make = Object.hasOwn(models, kind) ? models[kind] : undefined;
  if (make === undefined) throw new QuintetError('tokenizer', `an unknown model "${kind}"`, { at: spec.at });
  return { model: make(spec), kind };
}

function vocabulary(model: TokenModel, added: readonly AddedToken[]) {
  const tokens: (string | undefined)[] = [];
  const largest = [...model.vocab.values(), ...added.map(({ id }) => id)].reduce((most, id) => Math.max(most, id), -1);
  for (let id = 0; id <= largest; id++) tokens.push(undefined);
  for (const [text, id] of model.vocab) tokens[id] = text;
  const addedIds = new Map<string, number>();
  const special = new Map<string, number>();
  for (const token of added) {
    tokens[token.id] = token.content;
    addedIds.set(token.content, token.id);
    if (token.special) special.set(token.content, token.id);
  }
  return { tokens, special, idOf: (token: string) => addedIds.get(token) ?? model.vocab.get(token) };
}

/** `bos_token` and its like are a text or an added token with its content. */
function rolesOf(settings: Fields, model: TokenModel, idOf: (token: string) => number | undefined): SpecialIds {
  const role = (name: string, otherwise?: string): number | undefined => {
    const written = settings.raw[`${name}_token`];
    const content =
      typeof written === 'object' && written !== null ? (written as { content?: unknown }).content : written;
    const token = typeof content === 'string' ? content : otherwise;
    return token === undefined ? undefined : idOf(token);
  };
  const found = {
    bos: role('bos'),
    eos: role('eos'),
    pad: role('pad'),
    unk: role('unk', model.unknown),
    mask: role('mask'),
  };
  return Object.fromEntries(Object.entries(found).filter(([, id]) => id !== undefined));
}

/**
 * Encodes text that must not become a special token. Vocabularies of SentencePiece hold `</s>` as a piece like any other;
 * where one turns up, the text is cut after the first character of each occurrence and encoded in parts.
 */
function encodeGuarded(
  piece: string,
  model: TokenModel,
  guarded: ReadonlyMap<number, string>,
  fuel: Fuel,
  depth = 0,
): readonly number[] {
  const ids = model.encode(piece, fuel);
  const found = new Set<string>();
  for (const id of ids) {
    const content = guarded.get(id);
    if (content !== undefined && content !== piece[0]) found.add(content);
  }
  if (found.size === 0) return ids;
  if (depth === 4) return ids.filter((id) => !guarded.has(id));
  const cuts = new Set<number>([piece.length]);
  for (const content of found) {
    for (let i = piece.indexOf(content); i !== -1; i = piece.indexOf(content, i + 1)) cuts.add(i + 1);
  }
  if (cuts.size === 1) return ids.filter((id) => !guarded.has(id));
  const result: number[] = [];
  let start = 0;
  for (const end of [...cuts].sort((a, b) => a - b)) {
    for (const id of encodeGuarded(piece.slice(start, end), model, guarded, fuel, depth + 1)) result.push(id);
    start = end;
  }
  return result;
}
