/**
 * Reads regular expressions in JavaScript's syntax under the `u` flag (ECMA-262, section 22.2), as JSON schemas use them, into
 * languages. What looks around or back has no place in a language read from left to right, and is refused.
 */
import { QuintetError } from '../../tensor/index.js';
import { type CodePoints, charactersOf, codePoints, complement, everything, union } from './code-points.js';
import { anyOf, choice, type Language, repeat, sequence, set } from './language.js';

const longestPattern = 10_000;
const deepestNesting = 100;
const mostRepeats = 2 ** 16;
/** Each is looked up among all characters once. */
const mostProperties = 50;

/** A pattern, or one of its groups, before it is known where its anchors stand. */
type Node =
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'language'; readonly language: Language }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly options: readonly Node[] };

const digits = codePoints([0x30, 0x39]);
const wordCharacters = union(digits, codePoints([0x41, 0x5a], [0x61, 0x7a]), charactersOf('_'));
const spaces = charactersOf(
  '\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff',
);
const shorthands: Readonly<Record<string, CodePoints>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
};
const notLineEnd = complement(charactersOf('\n\r\u2028\u2029'));
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 };

/** The texts that a pattern matches from their first to their last character. Throws 'constraint' with the place. */
export function wholeMatches(source: string): Language {
  return withAnchors(parse(source), source, (language) => language);
}

/** The texts in which a pattern matches anywhere, as `pattern` in a JSON schema is meant. */
export function textsWithMatch(source: string): Language {
  const any = repeat(set(everything), 0, Number.POSITIVE_INFINITY);
  return withAnchors(parse(source), source, (language, { start, end }) =>
    sequence(...(start ? [] : [any]), language, ...(end ? [] : [any])),
  );
}

interface Anchored {
  readonly start: boolean;
  readonly end: boolean;
}

/** Each alternative of the whole with what its anchors say; anchors elsewhere are refused. */
function withAnchors(root: Node, source: string, make: (language: Language, anchored: Anchored) => Language): Language {
  const alternatives = (node: Node): readonly Node[] =>
    node.kind === 'choice' ? node.options.flatMap(alternatives) : [node];
  return choice(
    ...alternatives(root).map((node) => {
      const items = node.kind === 'sequence' ? [...node.items] : [node];
      const start = items[0]?.kind === 'start';
      while (items[0]?.kind === 'start') items.shift();
      const end = items.at(-1)?.kind === 'end';
      while (items.at(-1)?.kind === 'end') items.pop();
      const [inside] = items;
      // `^(a|b)$`, whose group may hold further anchors.
      if (items.length === 1 && (inside?.kind === 'choice' || inside?.kind === 'sequence')) {
        return withAnchors(inside, source, (language, inner) =>
          make(language, { start: start || inner.start, end: end || inner.end }),
        );
      }
      return make(sequence(...items.map((item) => languageOf(item, source))), { start, end });
    }),
  );
}

function languageOf(node: Node, source: string): Language {
  if (node.kind === 'language') return node.language;
  if (node.kind === 'sequence') return sequence(...node.items.map((item) => languageOf(item, source)));
  if (node.kind === 'choice') return choice(...node.options.map((option) => languageOf(option, source)));
  throw refusal(
    `a ${node.kind === 'start' ? '^' : '$'} that is not at the end of an alternative`,
    source,
    source.length,
  );
}

function parse(source: string): Node {
  if (source.length > longestPattern) {
    throw new QuintetError('limit', `a pattern of ${source.length} characters; at most ${longestPattern} are read`);
  }
  const chars = Array.from(source);
  let position = 0;
  let depth = 0;
  let properties = 0;

  const peek = (): string => chars[position] ?? '';
  const accept = (text: string): boolean => {
    if (!Array.from(text).every((char, i) => chars[position + i] === char)) return false;
    position += text.length;
    return true;
  };
  const fail = (problem: string): QuintetError => refusal(problem, source, position);
  /** What an expression finds from here on. */
  const take = (expression: RegExp): RegExpExecArray | undefined => {
    const found = expression.exec(chars.slice(position, position + 80).join(''));
    if (found === null) return undefined;
    position += Array.from(found[0]).length;
    return found;
  };

  function alternatives(): Node {
    if (++depth > deepestNesting) throw fail(`groups nested deeper than ${deepestNesting}`);
    const options = [terms()];
    while (accept('|')) options.push(terms());
    depth--;
    return options.length === 1 ? (options[0] as Node) : { kind: 'choice', options };
  }

  function terms(): Node {
    const items: Node[] = [];
    while (position < chars.length && peek() !== '|' && peek() !== ')') items.push(term());
    return items.length === 1 ? (items[0] as Node) : { kind: 'sequence', items };
  }

  function term(): Node {
    if (accept('^')) return { kind: 'start' };
    if (accept('$')) return { kind: 'end' };
    const atom = accept('(') ? group() : character();
    const range = quantifier();
    if (range === undefined) return atom;
    accept('?'); // the same texts, found in another order
    if (/^[*+?]/.test(peek())) throw fail('two quantifiers in a row');
    return { kind: 'language', language: repeat(languageOf(atom, source), ...range) };
  }

  function quantifier(): readonly [number, number] | undefined {
    if (accept('*')) return [0, Number.POSITIVE_INFINITY];
    if (accept('+')) return [1, Number.POSITIVE_INFINITY];
    if (accept('?')) return [0, 1];
    const found = take(/^\{(\d{1,9})(,?)(\d{0,9})\}/);
    if (found === undefined) return undefined;
    const min = Number(found[1]);
    const max = found[2] === '' ? min : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    if (max < min) throw fail('a repetition whose end lies before its start');
    if (min > mostRepeats || (max !== Number.POSITIVE_INFINITY && max > mostRepeats)) {
      throw fail(`a repetition above ${mostRepeats}`);
    }
    return [min, max];
  }

  function group(): Node {
    if (accept('?') && !accept(':') && !take(/^<[\p{ID_Start}$_][\p{ID_Continue}$]*>/u)) {
      throw fail(
        /^<?[=!]/.test(chars.slice(position, position + 2).join('')) ? 'looking around' : 'an unknown kind of group',
      );
    }
    const inner = alternatives();
    if (!accept(')')) throw fail('a group is not closed');
    return inner;
  }

  function character(): Node {
    const char = peek();
    position++;
    if (char === '.') return { kind: 'language', language: set(notLineEnd) };
    if (char === '[') return { kind: 'language', language: set(characterClass()) };
    if (char === '*' || char === '+' || char === '?') throw fail('a quantifier with nothing to repeat');
    if (char === '\\') {
      if (/^[bB]/.test(peek())) throw fail('a word boundary');
      return { kind: 'language', language: set(escaped(false)) };
    }
    return { kind: 'language', language: anyOf(char) };
  }

  function characterClass(): CodePoints {
    const negated = accept('^');
    const sets: CodePoints[] = [];
    while (!accept(']')) {
      if (position >= chars.length) throw fail('a class is not closed');
      const from = member();
      const isRange = peek() === '-' && chars[position + 1] !== ']' && chars[position + 1] !== undefined;
      if (!isRange) {
        sets.push(from);
        continue;
      }
      position++;
      const to = member();
      const [low, high] = [only(from), only(to)];
      // `[\w-.]`: a hyphen beside a shorthand is itself.
      if (low === undefined || high === undefined) sets.push(from, charactersOf('-'), to);
      else if (low > high) throw fail('a range whose end lies before its start');
      else sets.push(codePoints([low, high]));
    }
    const all = union(...sets);
    return negated ? complement(all) : all;
  }

  function member(): CodePoints {
    const char = peek();
    position++;
    return char === '\\' ? escaped(true) : charactersOf(char);
  }

  /** What follows a backslash. */
  function escaped(inClass: boolean): CodePoints {
    const char = peek();
    position++;
    if (Object.hasOwn(shorthands, char)) return shorthands[char] as CodePoints;
    if (char === 'p' || char === 'P') return property(char === 'P');
    if (inClass && char === 'b') return codePoints([8, 8]);
    if (Object.hasOwn(controls, char) && !/^\d/.test(char === '0' ? peek() : ''))
      return single(controls[char] as number);
    if (char === 'c') return single((take(/^[A-Za-z]/)?.[0] ?? failed('a malformed \\c')).charCodeAt(0) & 31);
    if (char === 'x') return single(Number.parseInt(take(/^[0-9a-fA-F]{2}/)?.[0] ?? failed('a malformed \\x'), 16));
    if (char === 'u') return single(unicode());
    if (char === '') throw fail('a backslash at the end');
    if (/[1-9k]/.test(char)) throw fail('a reference to a group');
    if (/[0-9A-Za-z]/.test(char)) throw fail(`the unknown escape \\${char}`);
    return charactersOf(char);
  }

  const single = (code: number): CodePoints => codePoints([code, code]);
  const failed = (problem: string): never => {
    throw fail(problem);
  };

  function unicode(): number {
    const pair = take(/^([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/);
    if (pair)
      return String.fromCharCode(...[pair[1], pair[2]].map((half) => Number.parseInt(half ?? '', 16))).codePointAt(
        0,
      ) as number;
    const found = take(/^([0-9a-fA-F]{4})/) ?? take(/^\{([0-9a-fA-F]{1,6})\}/) ?? failed('a malformed \\u');
    const code = Number.parseInt(found[1] ?? '', 16);
    return code <= 0x10ffff ? code : failed('a code point above 10FFFF');
  }

  function property(negated: boolean): CodePoints {
    const found = take(/^\{([A-Za-z_0-9=]{1,60})\}/) ?? failed('a malformed property');
    if (++properties > mostProperties) throw fail(`more than ${mostProperties} properties`);
    const inside = charactersWith(found[1] ?? '') ?? failed(`an unknown property \\p{${found[1]}}`);
    return negated ? complement(inside) : inside;
  }

  const tree = alternatives();
  if (position < chars.length) throw fail('an unmatched )');
  return tree;
}

/** The only member of a set. */
function only({ ranges }: CodePoints): number | undefined {
  return ranges.length === 2 && ranges[0] === ranges[1] ? ranges[0] : undefined;
}

const known = new Map<string, CodePoints>();

/** The characters with a Unicode property, by JavaScript's own tables: there are a few hundred names, so all are remembered. */
function charactersWith(name: string): CodePoints | undefined {
  const remembered = known.get(name);
  if (remembered !== undefined) return remembered;
  let expression: RegExp;
  try {
    // Short runs: the engine remembers every character of a run, to go back to.
    expression = new RegExp(`\\p{${name}}{1,64}`, 'gu');
  } catch {
    return undefined;
  }
  const found: (readonly [number, number])[] = [];
  const planes = Array.from({ length: 16 }, (_, i) => [0x10000 * (i + 1), 0x10000 * (i + 2) - 1] as const);
  for (const [first, final] of [[0, 0xd7ff] as const, [0xe000, 0xffff] as const, ...planes]) {
    const text = charactersFrom(first, final);
    const width = first > 0xffff ? 2 : 1;
    for (const { index, 0: run } of text.matchAll(expression)) {
      const from = first + index / width;
      found.push([from, from + run.length / width - 1]);
    }
  }
  const characters = codePoints(...found);
  known.set(name, characters);
  return characters;
}

/** All characters of a plane, or of a part of it, as a text. */
function charactersFrom(first: number, final: number): string {
  const width = first > 0xffff ? 2 : 1;
  const units = new Uint16Array(width * (final - first + 1));
  for (let code = first, at = 0; code <= final; code++, at += width) {
    units[at] = width === 1 ? code : 0xd7c0 + (code >> 10);
    if (width === 2) units[at + 1] = 0xdc00 + (code & 0x3ff);
  }
  return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(units);
}

function refusal(problem: string, source: string, position: number): QuintetError {
  const shown = source.length > 80 ? `${source.slice(0, 80)}…` : source;
  return new QuintetError('constraint', `pattern /${shown}/ at character ${position}: ${problem}`);
}
