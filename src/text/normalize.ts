/** The normalisers of tokenizer.json: what happens to a stretch of text between special tokens before it is split. */

import { type Fields, fields, QuintetError } from '../tensor/index.js';
import { byteChars } from './byte-level.js';
import { charSet, whitespace } from './char-set.js';
import { checkLength, type Fuel } from './fuel.js';
import { readPattern } from './pattern.js';
import { precompiledMap } from './precompiled.js';

export type Normalizer = (text: string, fuel: Fuel) => string;

const nonspacingMark = charSet('\\p{Mn}');
const mark = charSet('\\p{M}');
const control = charSet('\\p{Cc}\\p{Cf}\\p{Co}');
// The blocks of BERT's own list, not the Han script: https://github.com/google-research/bert/blob/master/tokenization.py
const chinese = charSet(
  '\\u{4e00}-\\u{9fff}\\u{3400}-\\u{4dbf}\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}\\u{2b740}-\\u{2b81f}' +
    '\\u{2b920}-\\u{2ceaf}\\u{f900}-\\u{faff}\\u{2f800}-\\u{2fa1f}',
);

const kinds: Readonly<Record<string, (spec: Fields) => Normalizer>> = {
  Sequence: (spec) => inTurn(spec.objects('normalizers').map(readNormalizer)),
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  Lowercase: () => lowercase,
  Strip: (spec) => strip(spec.flag('strip_left', true), spec.flag('strip_right', true)),
  StripAccents: () => (text) => mapChars(text, (char, code) => (mark.has(code) ? '' : char)),
  Prepend(spec) {
    const prefix = spec.text('prepend');
    return (text) => (text === '' ? '' : prefix + text);
  },
  Replace(spec) {
    const pattern = readPattern(spec);
    const content = spec.text('content');
    return (text, fuel) => pattern.replace(text, content, fuel);
  },
  ByteLevel: () => byteChars,
  BertNormalizer: bertNormalizer,
  Nmt: () => (text) => mapChars(text, nmt),
  Precompiled: (spec) => precompiledMap(spec.text('precompiled_charsmap'), spec.at),
};

export function readNormalizer(spec: Fields): Normalizer {
  const kind = spec.text('type');
  const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (make === undefined) throw new QuintetError('tokenizer', `an unknown normalizer "${kind}"`, { at: spec.at });
  return make(spec);
}

function inTurn(steps: readonly Normalizer[]): Normalizer {
  return (text, fuel) => steps.reduce((sofar, step) => checked(step(sofar, fuel), fuel), text);
}

function checked(text: string, fuel: Fuel): string {
  checkLength(fuel, text.length, 'a normalizer');
  return text;
}

/** Character by character as Rust does it, so that a capital sigma at the end of a word is no special case. */
function lowercase(text: string): string {
  return text.replaceAll('\u03a3', '\u03c3').toLowerCase();
}

function mapChars(text: string, change: (char: string, codePoint: number) => string): string {
  let result = '';
  for (const char of text) result += change(char, char.codePointAt(0) as number);
  return result;
}

/** Unicode's White_Space; String.trim differs from it in U+0085 and U+FEFF. */
function strip(left: boolean, right: boolean): Normalizer {
  return (text) => {
    let [start, end] = [0, text.length];
    if (left) while (start < end && whitespace.has(text.charCodeAt(start))) start++;
    if (right) while (end > start && whitespace.has(text.charCodeAt(end - 1))) end--;
    return text.slice(start, end);
  };
}

function bertNormalizer(spec: Fields): Normalizer {
  const clean = spec.flag('clean_text', true);
  const spaceChinese = spec.flag('handle_chinese_chars', true);
  const lower = spec.flag('lowercase', true);
  const stripAccents = spec.flag('strip_accents', lower);
  const cleaned = (char: string, code: number): string => {
    if (code === 9 || code === 10 || code === 13) return ' ';
    if (code === 0xfffd || control.has(code)) return '';
    return whitespace.has(code) ? ' ' : char;
  };
  return (text) => {
    let result = text;
    if (clean) result = mapChars(result, cleaned);
    if (spaceChinese) result = mapChars(result, (char, code) => (chinese.has(code) ? ` ${char} ` : char));
    if (stripAccents)
      result = mapChars(result.normalize('NFD'), (char, code) => (nonspacingMark.has(code) ? '' : char));
    return lower ? lowercase(result) : result;
  };
}

/** SentencePiece's `nmt` rules: controls vanish, exotic spaces become a space. */
function nmt(char: string, code: number): string {
  const vanishes =
    (code >= 1 && code <= 8) ||
    code === 0xb ||
    (code >= 0xe && code <= 0x1f) ||
    code === 0x7f ||
    code === 0x8f ||
    code === 0x9f;
  if (vanishes) return '';
  const isSpace =
    [9, 0xa, 0xc, 0xd, 0x1680, 0x2581, 0xfeff, 0xfffd].includes(code) ||
    (code >= 0x200b && code <= 0x200f) ||
    code === 0x2028 ||
    code === 0x2029;
  return isSpace ? ' ' : char;
}

/** The normaliser of a tokenizer.json; none leaves the text as it is. */
export function normalizerOf(spec: unknown, at: string): Normalizer {
  if (spec === undefined || spec === null) return (text) => text;
  const normalize = readNormalizer(fields(spec, `${at}: normalizer`));
  return (text, fuel) => checked(normalize(text, fuel), fuel);
}
