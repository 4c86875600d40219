/** How JSON spells things (RFC 8259): strings with their escapes, literals, white space. */

import {
  type CodePoints,
  charactersOf,
  codePoints,
  complement,
  difference,
  everything,
  has,
  includes,
  intersection,
  pairsOf,
  union,
} from '../code-points.js';
import { anyOf, choice, type Language, nothing, optional, repeat, sequence, set, words } from '../language.js';
import { wholeMatches } from '../regex.js';

/** Letters after a backslash, and what they stand for. */
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
/** Halves of a surrogate pair are left out: one alone is no character. */
const hexadecimal = wholeMatches('[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}');

const unescaped = complement(union(codePoints([0, 0x1f]), charactersOf('"\\')));

/** A character of a set within a string. Any character may be spelled in hexadecimal, some of a set only where they must. */
export function character(of: CodePoints): Language {
  const letters = Object.keys(escapes).filter((letter) => has(of, (escapes[letter] as string).charCodeAt(0)));
  const controls = pairsOf(intersection(of, codePoints([0, 0x1f]))).flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => (from + i).toString(16).padStart(4, '0')),
  );
  const codes = includes(of, everything)
    ? [sequence('u', hexadecimal)]
    : controls.length > 0
      ? [sequence('u', words(...controls, ...controls.map((code) => code.toUpperCase())))]
      : [];
  const escaped = [...(letters.length > 0 ? [anyOf(letters.join(''))] : []), ...codes];
  const asItIs = set(intersection(of, unescaped));
  return escaped.length === 0 ? asItIs : choice(asItIs, sequence('\\', choice(...escaped)));
}

export const anyCharacter = character(everything);

/** The texts of a language as they stand within a string. */
export function withinString(language: Language): Language {
  if (language.kind === 'set') return character(language.set);
  if (language.kind === 'sequence') return sequence(...language.items.map(withinString));
  if (language.kind === 'choice') return choice(...language.options.map(withinString));
  if (language.kind === 'repeat') return repeat(withinString(language.body), language.min, language.max);
  if (language.kind === 'words') return words(...language.words.map((word) => JSON.stringify(word).slice(1, -1)));
  return language;
}

export const quoted = (within: Language): Language => sequence('"', within, '"');

/** Strings, without their first quotation mark, that are none of the names. */
export function otherThan(names: readonly string[]): Language {
  const anything = repeat(anyCharacter, 0, Number.POSITIVE_INFINITY);
  if (names.length === 0) return sequence(anything, '"');
  const byFirst = new Map<string, string[]>();
  for (const name of names) {
    const head = Array.from(name.slice(0, 2))[0] ?? '';
    const group = byFirst.get(head);
    if (group) group.push(name.slice(head.length));
    else byFirst.set(head, [name.slice(head.length)]);
  }
  const isName = byFirst.delete('');
  return choice(
    ...(isName ? [] : ['"']),
    sequence(character(difference(everything, charactersOf([...byFirst.keys()].join('')))), anything, '"'),
    ...[...byFirst].map(([head, group]) => sequence(character(charactersOf(head)), otherThan(group))),
  );
}

/** Between the parts of arrays and objects. */
export interface Spacing {
  /** After a bracket or a comma, and before a closing bracket. */
  readonly space: Language;
  readonly afterColon: Language;
}

export const spacings = {
  /** None at all, as JSON.stringify writes. */
  compact: { space: nothing, afterColon: nothing },
  /** A space, or a new line with at most twenty spaces or tabs after it: models like to write so, and must not go on for ever. */
  flexible: { space: wholeMatches('( |\\n[ \\t]{0,20})?'), afterColon: optional(words(' ')) },
} satisfies Readonly<Record<string, Spacing>>;

/** A value exactly as it is, with its keys in their order. */
export function literal(value: unknown, spacing: Spacing): Language {
  const { space, afterColon } = spacing;
  const list = (items: readonly Language[]): Language[] =>
    items.flatMap((item, i) => (i > 0 ? [words(','), space, item] : [item]));
  if (Array.isArray(value)) {
    if (value.length === 0) return sequence('[', space, ']');
    return sequence('[', space, ...list(value.map((item) => literal(item, spacing))), space, ']');
  }
  if (typeof value !== 'object' || value === null) return words(JSON.stringify(value));
  const members = Object.entries(value).map(([name, member]) =>
    sequence(JSON.stringify(name), ':', afterColon, literal(member, spacing)),
  );
  if (members.length === 0) return sequence('{', space, '}');
  return sequence('{', space, ...list(members), space, '}');
}
