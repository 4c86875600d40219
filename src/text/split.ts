/** The pre-tokenizers of tokenizer.json: how normalised text falls into the pieces that the model sees. */

import { type Fields, fields, QuintetError } from '../tensor/index.js';
import { byteChars } from './byte-level.js';
import { charSet, literal, numeric, punctuation, whitespace } from './char-set.js';
import { checkLength, type Fuel } from './fuel.js';
import { charPattern, type Pattern, readPattern, regexPattern } from './pattern.js';
import type { Span } from './regex.js';

export interface Piece {
  readonly text: string;
  /** Whether it starts where the whole text starts. */
  readonly first: boolean;
}

export type Splitter = (pieces: readonly Piece[], fuel: Fuel) => readonly Piece[];

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof behaviors)[number];

/** GPT-2's pattern: contractions, then words, numbers and other signs each with a space before, then white space. */
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const rustWord = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';

const kinds: Readonly<Record<string, (spec: Fields) => Splitter>> = {
  Sequence: (spec) => inTurn(spec.objects('pretokenizers').map(readSplitter)),
  ByteLevel: byteLevel,
  Metaspace: metaspace,
  Split: (spec) => cutting(readPattern(spec), spec.choice('behavior', behaviors), spec.flag('invert', false)),
  Digits: (spec) => cutting(charPattern(numeric), spec.flag('individual_digits', false) ? 'Isolated' : 'Contiguous'),
  Punctuation: (spec) => cutting(charPattern(punctuation), spec.choice('behavior', behaviors, 'Isolated')),
  Whitespace: (spec) => cutting(regexPattern(`[${rustWord}]+|[^${rustWord}\\s]+`, spec.at), 'Removed', true),
  WhitespaceSplit: () => cutting(charPattern(whitespace), 'Removed'),
  BertPreTokenizer: () =>
    inTurn([cutting(charPattern(whitespace), 'Removed'), cutting(charPattern(punctuation), 'Isolated')]),
  CharDelimiterSplit: (spec) => cutting(oneChar(spec, 'delimiter'), 'Removed'),
  FixedLength: (spec) => fixedLength(spec.whole('length', 5)),
};

export function readSplitter(spec: Fields): Splitter {
  const kind = spec.text('type');
  const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (make === undefined) throw new QuintetError('tokenizer', `an unknown pre-tokenizer "${kind}"`, { at: spec.at });
  return make(spec);
}

/** The pre-tokenizer of a tokenizer.json; none leaves the text in one piece. */
export function splitterOf(spec: unknown, at: string): Splitter {
  return spec === undefined || spec === null ? (pieces) => pieces : readSplitter(fields(spec, `${at}: pre_tokenizer`));
}

function inTurn(steps: readonly Splitter[]): Splitter {
  return (pieces, fuel) =>
    steps.reduce((sofar, step) => {
      const result = step(sofar, fuel);
      const length = result.reduce((sum, { text }) => sum + text.length, 0);
      checkLength(fuel, length, 'a pre-tokenizer');
      return result;
    }, pieces);
}

function cutting(pattern: Pattern, behavior: Behavior, inverted = false): Splitter {
  return (pieces, fuel) => pieces.flatMap((piece) => cut(piece, pattern.matches(piece.text, fuel), behavior, inverted));
}

/** Cuts a piece at the matches. Empty parts are dropped. */
function cut({ text, first }: Piece, matches: readonly Span[], behavior: Behavior, inverted: boolean): Piece[] {
  const parts: { start: number; end: number; isMatch: boolean }[] = [];
  let last = 0;
  for (const [start, end] of matches) {
    if (start > last) parts.push({ start: last, end: start, isMatch: inverted });
    parts.push({ start, end, isMatch: !inverted });
    last = end;
  }
  if (last < text.length) parts.push({ start: last, end: text.length, isMatch: inverted });
  return merged(parts, behavior)
    .filter(({ start, end }) => end > start)
    .map(({ start, end }) => ({ text: text.slice(start, end), first: first && start === 0 }));
}

type Part = { start: number; end: number; isMatch: boolean };

function merged(parts: Part[], behavior: Behavior): readonly Part[] {
  if (behavior === 'Isolated') return parts;
  if (behavior === 'Removed') return parts.filter(({ isMatch }) => !isMatch);
  const joins = (isMatch: boolean, previous: boolean): boolean =>
    behavior === 'Contiguous' ? isMatch === previous : isMatch && !previous;
  const backwards = behavior === 'MergedWithNext';
  const result: Part[] = [];
  let previous = false;
  for (const part of backwards ? parts.reverse() : parts) {
    const neighbour = result.at(-1);
    if (neighbour !== undefined && joins(part.isMatch, previous)) {
      if (backwards) neighbour.start = part.start;
      else neighbour.end = part.end;
    } else result.push({ ...part });
    previous = part.isMatch;
  }
  return backwards ? result.reverse() : result;
}

function byteLevel(spec: Fields): Splitter {
  const addSpace = spec.flag('add_prefix_space', true);
  const split = spec.flag('use_regex', true) ? cutting(regexPattern(gpt2, spec.at), 'Isolated') : undefined;
  return (pieces, fuel) => {
    const spaced = addSpace
      ? pieces.map((piece) => (piece.text.startsWith(' ') ? piece : { ...piece, text: ` ${piece.text}` }))
      : pieces;
    const cutUp = split === undefined ? spaced : split(spaced, fuel);
    return cutUp.map(({ text, first }) => ({ text: byteChars(text), first }));
  };
}

/** Spaces become `▁`, one is put before the text, and words are cut before theirs. */
function metaspace(spec: Fields): Splitter {
  const mark = spec.text('replacement', '▁');
  const scheme = prependScheme(spec);
  const sign = oneChar(spec, 'replacement', '▁');
  const split = spec.flag('split', true) ? cutting(sign, 'MergedWithNext') : undefined;
  return (pieces, fuel) => {
    const marked = pieces.map(({ text, first }) => {
      const replaced = text.replaceAll(' ', mark);
      const prepend = (scheme === 'always' || (scheme === 'first' && first)) && !replaced.startsWith(mark);
      return { text: prepend ? mark + replaced : replaced, first };
    });
    return split === undefined ? marked : split(marked, fuel);
  };
}

/** Older files say add_prefix_space instead. */
export function prependScheme(spec: Fields): 'always' | 'first' | 'never' {
  if (!spec.flag('add_prefix_space', true)) return 'never';
  return spec.choice('prepend_scheme', ['always', 'first', 'never'], 'always');
}

function oneChar(spec: Fields, name: string, otherwise?: string): Pattern {
  const char = spec.text(name, otherwise);
  if (Array.from(char).length !== 1)
    throw new QuintetError('tokenizer', `${name} must be one character`, { at: spec.at });
  return charPattern(charSet(literal(char.codePointAt(0) as number)));
}

function fixedLength(length: number): Splitter {
  if (length < 1) throw new QuintetError('tokenizer', 'FixedLength: the length must be positive');
  return (pieces) =>
    pieces.flatMap(({ text, first }) => {
      const chars = Array.from(text);
      const parts: Piece[] = [];
      for (let i = 0; i < chars.length; i += length) {
        parts.push({ text: chars.slice(i, i + length).join(''), first: first && i === 0 });
      }
      return parts;
    });
}
