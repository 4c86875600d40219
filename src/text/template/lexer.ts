/**
 * Cuts a template into text and tags, as Jinja does with `trim_blocks` and `lstrip_blocks`: the newline after a block and the
 * blanks before it on its line vanish, `-` takes all white space on its side, `+` keeps what would vanish.
 */
import { QuintetError } from '../../tensor/index.js';

export type Token =
  | { readonly kind: 'text'; readonly text: string; readonly line: number }
  | { readonly kind: 'name' | 'string' | 'integer' | 'float' | 'op'; readonly text: string; readonly line: number }
  /** The beginning and end of `{% %}` and `{{ }}`. */
  | { readonly kind: '{%' | '%}' | '{{' | '}}' | 'end'; readonly text: string; readonly line: number };

const space = /\s*/y;
const opening = /\{[%{#]/g;
const rawOpening = /\{%[-+]?\s*raw\s*(-?)%\}/y;
const rawClosing = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;
const name = /[\p{L}_][\p{L}\p{N}\p{M}_]*/uy;
const number = /0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?/y;
const text = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const operator = /\*\*|\/\/|==|!=|>=|<=|[-+*/%~<>=.:|,;()[\]{}]/y;
const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

export function tokenize(template: string): readonly Token[] {
  let source = template.replace(/\r\n?/g, '\n');
  if (source.endsWith('\n')) source = source.slice(0, -1);
  const tokens: Token[] = [];
  let position = 0;
  let line = 1;
  let countedTo = 0;
  /** Whether the tag before ended with a newline, so that blanks before the next tag begin a line. */
  let atLineStart = true;

  const lineAt = (index: number): number => {
    for (; countedTo < index; countedTo++) if (source.charCodeAt(countedTo) === 10) line++;
    return line;
  };
  const fail = (problem: string): QuintetError =>
    new QuintetError('template', problem, { at: `chat template, line ${lineAt(position)}` });
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    return pattern.exec(source)?.[0];
  };

  function addText(end: number, tag: string, sign: string): void {
    let piece = source.slice(position, end);
    if (sign === '-') piece = piece.trimEnd();
    else if (sign !== '+' && tag !== '{{') piece = withoutIndent(piece, atLineStart);
    if (piece !== '') tokens.push({ kind: 'text', text: piece, line: lineAt(position) });
  }

  /** Moves past the end of a tag. Blocks and comments take the newline after them. */
  function close(length: number, sign: string, trims: boolean): void {
    const start = position;
    position += length;
    if (sign === '-') position += match(space)?.length ?? 0;
    else if (sign !== '+' && trims && source[position] === '\n') position++;
    atLineStart = source[position - 1] === '\n' && position > start;
  }

  function comment(): void {
    const end = source.indexOf('#}', position + 2);
    if (end === -1) throw fail('a comment is not closed');
    const sign = source[end - 1] ?? '';
    position = end;
    close(2, sign === '-' || sign === '+' ? sign : '', true);
  }

  function raw(openingTag: RegExpExecArray): void {
    position += openingTag[0].length;
    if (openingTag[1] === '-') position += match(space)?.length ?? 0;
    rawClosing.lastIndex = position;
    const end = rawClosing.exec(source);
    if (end === null) throw fail('{% raw %} is not closed');
    atLineStart = false;
    addText(end.index, '{%', end[1] ?? '');
    position = end.index;
    close(end[0].length, end[2] ?? '', true);
  }

  /** The tokens of a tag up to its end; a `}}` within braces closes braces. */
  function tag(kind: '{%' | '{{'): void {
    const ending = kind === '{%' ? '%}' : '}}';
    const open: string[] = [];
    for (;;) {
      position += match(space)?.length ?? 0;
      const sign = source[position] ?? '';
      const signed = (sign === '-' || (sign === '+' && kind === '{%')) && source.startsWith(ending, position + 1);
      if (open.length === 0 && (signed || source.startsWith(ending, position))) {
        tokens.push({ kind: ending, text: ending, line: lineAt(position) });
        close(signed ? 3 : 2, signed ? sign : '', kind === '{%');
        return;
      }
      tokens.push(token(open));
    }
  }

  function token(open: string[]): Token {
    if (position >= source.length) throw fail('a tag is not closed');
    const at = lineAt(position);
    const take = (found: string): string => {
      position += found.length;
      return found;
    };
    let found = match(name);
    if (found !== undefined) return { kind: 'name', text: take(found), line: at };
    found = match(number);
    if (found !== undefined) {
      const kind = /^\d[\d_]*[.eE]/.test(found) ? 'float' : 'integer';
      return { kind, text: take(found).replaceAll('_', ''), line: at };
    }
    found = match(text);
    if (found !== undefined) return { kind: 'string', text: unescaped(take(found).slice(1, -1)), line: at };
    found = match(operator);
    if (found === undefined) throw fail(`an unexpected character ${JSON.stringify(source[position])}`);
    const closer = closers[found];
    if (closer !== undefined) open.push(closer);
    else if ('([{)]}'.includes(found) && open.pop() !== found) throw fail(`an unexpected ${found}`);
    return { kind: 'op', text: take(found), line: at };
  }

  while (position < source.length) {
    opening.lastIndex = position;
    const found = opening.exec(source);
    if (found === null) break;
    const sign = source[found.index + 2] ?? '';
    const kind = found[0] as '{%' | '{{' | '{#';
    addText(found.index, kind, sign);
    position = found.index;
    rawOpening.lastIndex = position;
    const rawTag = rawOpening.exec(source);
    if (rawTag !== null) raw(rawTag);
    else if (kind === '{#') comment();
    else {
      tokens.push({ kind, text: kind, line: lineAt(position) });
      position += sign === '-' || sign === '+' ? 3 : 2;
      tag(kind);
    }
  }
  if (position < source.length) tokens.push({ kind: 'text', text: source.slice(position), line: lineAt(position) });
  tokens.push({ kind: 'end', text: 'the end', line: lineAt(source.length) });
  return tokens;
}

/** The text without the blanks that stand alone on its last line. */
function withoutIndent(piece: string, atLineStart: boolean): string {
  const lineStart = piece.lastIndexOf('\n') + 1;
  const blank = /^\s+$/.test(piece.slice(lineStart));
  return blank && (lineStart > 0 || atLineStart) ? piece.slice(0, lineStart) : piece;
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\u0007',
  "'": "'",
  '"': '"',
  '\\': '\\',
  '\n': '',
};

/** Python's escapes; an unknown one stays as it is. */
function unescaped(written: string): string {
  const pattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))/gs;
  return written.replace(pattern, (all, byte, unit, point, octal, other: string) => {
    const hexadecimal = byte ?? unit ?? point;
    if (hexadecimal !== undefined) {
      const code = Number.parseInt(hexadecimal, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    }
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    return escapes[other] ?? all;
  });
}
