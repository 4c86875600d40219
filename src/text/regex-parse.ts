/**
 * Reads the patterns of tokenizer.json. They are written for Oniguruma in Ruby syntax
 * (https://github.com/kkos/oniguruma/blob/master/doc/RE), so `^` and `$` are line anchors, `\s` is Unicode white space and
 * `*+` is possessive. What tokenizers do not use (backreferences, conditionals, callouts) is refused.
 */
import { QuintetError } from '../tensor/index.js';
import { type CharSet, charSet, literal } from './char-set.js';

export type Assertion = 'start' | 'end' | 'line-start' | 'line-end' | 'last-line-end' | 'boundary' | 'inside';

export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly options: readonly RegexNode[] }
  | {
      readonly kind: 'repeat';
      readonly body: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly mode: 'greedy' | 'lazy' | 'possessive';
    }
  | { readonly kind: 'look'; readonly body: RegexNode; readonly behind: boolean; readonly negated: boolean }
  | { readonly kind: 'atomic'; readonly body: RegexNode }
  | { readonly kind: 'assert'; readonly assertion: Assertion };

const longestPattern = 20_000;
const deepestNesting = 100;
const mostRepeats = 1000;

const shorthands: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  d: '\\p{Nd}',
  // With the six fractions and powers of Latin-1, which the bracket does not have.
  w: '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u{b2}\\u{b3}\\u{b9}\\u{bc}-\\u{be}',
  h: '0-9a-fA-F',
};

/** POSIX names, as `\p{Alpha}` and as `[[:alpha:]]`, with the members that Oniguruma gives them. */
const posix: Readonly<Record<string, string>> = {
  alnum: '\\p{Alphabetic}\\p{Nd}',
  alpha: '\\p{Alphabetic}',
  ascii: '\\u{0}-\\u{7f}',
  blank: '\\p{Zs}\\t',
  cntrl: '\\p{Cc}',
  digit: '\\p{Nd}',
  graph: '[\\p{Any}--[\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]]',
  lower: '\\p{Lowercase}',
  print: '[[\\p{Any}\\p{Zs}]--[\\p{Cc}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}]]',
  punct: '\\p{P}\\p{S}',
  space: '\\p{White_Space}',
  upper: '\\p{Uppercase}',
  word: '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}',
  xdigit: '0-9a-fA-F',
};
/** The one name that differs between the two forms. */
const punctProperty = '\\p{P}';

const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7, e: 27, '0': 0 };

const assertions: Readonly<Record<string, Assertion>> = {
  A: 'start',
  z: 'end',
  Z: 'last-line-end',
  b: 'boundary',
  B: 'inside',
};

/** The tree of a pattern. Throws QuintetError 'tokenizer' with the pattern and the position. */
export function parseRegex(source: string, at: string): RegexNode {
  if (source.length > longestPattern) throw refusal('the pattern is too long', source, 0, at);
  const chars = Array.from(source, (char) => char.codePointAt(0) as number);
  let position = 0;
  let depth = 0;

  const peek = (ahead = 0): string => {
    const codePoint = chars[position + ahead];
    return codePoint === undefined ? '' : String.fromCodePoint(codePoint);
  };
  const take = (): string => {
    const char = peek();
    position++;
    return char;
  };
  const accept = (text: string): boolean => {
    for (let i = 0; i < text.length; i++) if (peek(i) !== text[i]) return false;
    position += text.length;
    return true;
  };
  const fail = (problem: string): QuintetError => refusal(problem, source, position, at);
  const set = (body: string, ignoreCase: boolean): RegexNode => {
    try {
      return { kind: 'set', set: charSet(body, ignoreCase) };
    } catch (error) {
      throw fail(`an unknown class [${body}] (${(error as Error).message})`);
    }
  };

  function choice(ignoreCase: boolean): RegexNode {
    if (++depth > deepestNesting) throw fail(`groups nested deeper than ${deepestNesting}`);
    const flags = { ignoreCase };
    const options = [sequence(flags)];
    while (accept('|')) options.push(sequence(flags));
    depth--;
    return options.length === 1 ? (options[0] as RegexNode) : { kind: 'choice', options };
  }

  function sequence(flags: { ignoreCase: boolean }): RegexNode {
    const items: RegexNode[] = [];
    while (position < chars.length && peek() !== '|' && peek() !== ')') {
      const item = atom(flags);
      if (item !== undefined) items.push(quantified(item));
    }
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'sequence', items };
  }

  function quantified(body: RegexNode): RegexNode {
    let node = body;
    for (;;) {
      let [min, max] = [0, 0];
      let interval = false;
      if (accept('*')) [min, max] = [0, Infinity];
      else if (accept('+')) [min, max] = [1, Infinity];
      else if (accept('?')) [min, max] = [0, 1];
      else {
        const found = /^\{(\d*)(,?)(\d*)\}/.exec(source.slice(codeUnits(), codeUnits() + 24));
        if (found === null || (found[1] === '' && found[3] === '')) return node;
        position += found[0].length;
        interval = true;
        min = Number(found[1]);
        max = found[2] === '' ? min : found[3] === '' ? Infinity : Number(found[3]);
      }
      if (min > mostRepeats || (max !== Infinity && max > mostRepeats)) throw fail('a repetition above 1000');
      if (max < min) throw fail('a repetition whose end lies before its start');
      const mode = accept('?') ? 'lazy' : !interval && accept('+') ? 'possessive' : 'greedy';
      node = { kind: 'repeat', body: node, min, max, mode };
    }
  }

  /** Where we are in UTF-16 units: patterns are nearly always ASCII, so the sum is rarely needed. */
  function codeUnits(): number {
    if (chars.length === source.length) return position;
    let units = 0;
    for (let i = 0; i < position; i++) units += (chars[i] as number) > 0xffff ? 2 : 1;
    return units;
  }

  function atom(flags: { ignoreCase: boolean }): RegexNode | undefined {
    const char = take();
    if (char === '(') return group(flags);
    if (char === '[') return set(classBody(), flags.ignoreCase);
    if (char === '.') return set('^\\n', false);
    if (char === '^') return { kind: 'assert', assertion: 'line-start' };
    if (char === '$') return { kind: 'assert', assertion: 'line-end' };
    if (char === '*' || char === '+' || char === '?') throw fail('a quantifier with nothing to repeat');
    if (char !== '\\') return set(literal(char.codePointAt(0) as number), flags.ignoreCase);
    const assertion = assertions[peek()];
    if (assertion !== undefined) {
      position++;
      return { kind: 'assert', assertion };
    }
    return set(escaped(), flags.ignoreCase);
  }

  function group(flags: { ignoreCase: boolean }): RegexNode | undefined {
    const close = (node: RegexNode): RegexNode => {
      if (take() !== ')') throw fail('a group is not closed');
      return node;
    };
    const look = (behind: boolean, negated: boolean): RegexNode =>
      close({ kind: 'look', body: choice(flags.ignoreCase), behind, negated });
    if (!accept('?')) return close(choice(flags.ignoreCase));
    if (accept(':')) return close(choice(flags.ignoreCase));
    if (accept('=')) return look(false, false);
    if (accept('!')) return look(false, true);
    if (accept('<=')) return look(true, false);
    if (accept('<!')) return look(true, true);
    if (accept('>')) return close({ kind: 'atomic', body: choice(flags.ignoreCase) });
    if (accept('i:')) return close(choice(true));
    if (accept('-i:')) return close(choice(false));
    if (accept('i)')) flags.ignoreCase = true;
    else if (accept('-i)')) flags.ignoreCase = false;
    else throw fail(`a group of the unsupported kind (?${peek()}`);
    return undefined;
  }

  /** The body of a class after its `[`, in JavaScript's syntax: every literal escaped, nested classes kept. */
  function classBody(): string {
    if (++depth > deepestNesting) throw fail(`classes nested deeper than ${deepestNesting}`);
    const negated = accept('^');
    let body = '';
    let first = true;
    const operands: string[] = [];
    while (first || peek() !== ']') {
      if (position >= chars.length) throw fail('a class is not closed');
      first = false;
      if (accept('&&')) {
        operands.push(`[${body}]`);
        body = '';
      } else if (accept('[:')) body += posixClass();
      else if (accept('[')) body += `[${classBody()}]`;
      else body += classItem();
    }
    position++;
    depth--;
    if (operands.length > 0) body = `[${[...operands, `[${body}]`].join('&&')}]`;
    return (negated ? '^' : '') + body;
  }

  /** A character, a range or a shorthand within a class. */
  function classItem(): string {
    const from = classChar();
    const isRange = peek() === '-' && peek(1) !== ']' && peek(1) !== '' && from.startsWith('\\u{');
    if (!isRange) return from;
    position++;
    const to = classChar();
    return to.startsWith('\\u{') ? `${from}-${to}` : `${from}${literal(0x2d)}${to}`;
  }

  function classChar(): string {
    const char = take();
    if (char === '\\') return accept('b') ? literal(8) : escaped();
    return literal(char.codePointAt(0) as number);
  }

  function posixClass(): string {
    const negated = accept('^');
    let name = '';
    while (/[a-z]/.test(peek())) name += take();
    const body = Object.hasOwn(posix, name) ? posix[name] : undefined;
    if (body === undefined || !accept(':]')) throw fail(`an unknown class [:${name}:]`);
    return negated ? `[^${body}]` : body;
  }

  /** What follows a backslash, in JavaScript's class syntax. */
  function escaped(): string {
    const char = take();
    if (char === '') throw fail('a backslash at the end');
    const lower = char.toLowerCase();
    if (lower === 'p') return property(char === 'P');
    if (Object.hasOwn(shorthands, lower)) return char === lower ? `${shorthands[lower]}` : `[^${shorthands[lower]}]`;
    if (char === 'x' || char === 'u') return literal(hexadecimal(char));
    if (Object.hasOwn(controls, char)) return literal(controls[char] as number);
    if (/[0-9A-Za-z]/.test(char)) throw fail(`the unsupported escape \\${char}`);
    return literal(char.codePointAt(0) as number);
  }

  function hexadecimal(kind: 'x' | 'u'): number {
    const rest = source.slice(codeUnits(), codeUnits() + 12);
    const found =
      /^\{([0-9a-fA-F]{1,6})\}/.exec(rest) ?? (kind === 'x' ? /^([0-9a-fA-F]{1,2})/ : /^([0-9a-fA-F]{4})/).exec(rest);
    const codePoint = Number.parseInt(found?.[1] ?? '', 16);
    if (found === null || codePoint > 0x10ffff) throw fail('a malformed hexadecimal escape');
    position += found[0].length;
    return codePoint;
  }

  function property(upper: boolean): string {
    const found = /^\{(\^?)([A-Za-z_ ]{1,40})\}|^([LMNPSZC])/.exec(source.slice(codeUnits(), codeUnits() + 50));
    if (found === null) throw fail('a malformed property');
    position += found[0].length;
    const name = (found[2] ?? found[3] ?? '').replace(/^Is(?=[A-Z])/, '');
    const negated = upper !== (found[1] === '^');
    const lower = name.toLowerCase();
    const listed = Object.hasOwn(posix, lower) ? posix[lower] : knownProperty(name);
    const body = lower === 'punct' ? punctProperty : listed;
    if (body === undefined) throw fail(`an unknown property \\p{${name}}`);
    return negated ? `[^${body}]` : body;
  }

  const tree = choice(false);
  if (position < chars.length) throw fail('an unmatched )');
  return tree;
}

function knownProperty(name: string): string | undefined {
  return [`\\p{${name}}`, `\\p{Script=${name}}`].find((body) => {
    try {
      return new RegExp(body, 'v') !== undefined;
    } catch {
      return false;
    }
  });
}

function refusal(problem: string, source: string, position: number, at: string): QuintetError {
  const shown = source.length > 80 ? `${source.slice(0, 80)}…` : source;
  return new QuintetError('tokenizer', `pattern /${shown}/ at character ${position}: ${problem}`, { at });
}
