/** A place in the tokens of a template, and how deep the parser is in it. */

import { QuintetError } from '../../tensor/index.js';
import type { Token } from './lexer.js';

export interface TokenCursor {
  peek(ahead?: number): Token;
  next(): Token;
  /** Whether the next token is this one; takes it if so. */
  accept(kind: Token['kind'], text?: string): boolean;
  expect(kind: Token['kind'], text?: string): Token;
  fail(problem: string): QuintetError;
  /** Runs a rule that may contain itself; too many within one another are refused before the stack ends. */
  nested<T>(rule: () => T): T;
}

const deepest = 200;

export function cursorOver(tokens: readonly Token[]): TokenCursor {
  let position = 0;
  let depth = 0;
  const last = tokens.length - 1;
  const peek = (ahead = 0): Token => tokens[Math.min(position + ahead, last)] as Token;
  const is = (kind: Token['kind'], text?: string): boolean =>
    peek().kind === kind && (text === undefined || peek().text === text);
  const fail = (problem: string): QuintetError =>
    new QuintetError('template', problem, { at: `chat template, line ${peek().line}` });
  const next = (): Token => {
    const token = peek();
    position++;
    return token;
  };
  return {
    peek,
    next,
    fail,
    accept(kind, text) {
      if (!is(kind, text)) return false;
      position++;
      return true;
    },
    expect(kind, text) {
      if (!is(kind, text)) throw fail(`expected ${text ?? kind}, got ${peek().text.slice(0, 40)}`);
      return next();
    },
    nested(rule) {
      if (++depth > deepest) throw fail(`nested deeper than ${deepest}`);
      const result = rule();
      depth--;
      return result;
    },
  };
}
