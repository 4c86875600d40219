/** The expressions of a template, by precedence from the loosest: condition, or, and, not, comparison, + -, ~, * / // %, **, sign, postfix. */

import type { Argument, BinaryOp, CompareOp, Expression } from './ast.js';
import type { TokenCursor } from './tokens.js';

const constants: Readonly<Record<string, boolean | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};
const comparisons: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];

export function expressionParser(tokens: TokenCursor) {
  const isOp = (...ops: readonly string[]): boolean => tokens.peek().kind === 'op' && ops.includes(tokens.peek().text);
  const isName = (...names: readonly string[]): boolean =>
    tokens.peek().kind === 'name' && names.includes(tokens.peek().text);

  function expression(): Expression {
    return tokens.nested(() => {
      let result = orExpression();
      while (tokens.accept('name', 'if')) {
        const test = orExpression();
        const condition = { kind: 'condition', test, value: result } as const;
        result = tokens.accept('name', 'else') ? { ...condition, otherwise: expression() } : condition;
      }
      return result;
    });
  }

  function orExpression(): Expression {
    let left = andExpression();
    while (tokens.accept('name', 'or')) left = { kind: 'logic', op: 'or', left, right: andExpression() };
    return left;
  }

  function andExpression(): Expression {
    let left = notExpression();
    while (tokens.accept('name', 'and')) left = { kind: 'logic', op: 'and', left, right: notExpression() };
    return left;
  }

  function notExpression(): Expression {
    let negations = 0;
    while (isName('not')) {
      tokens.next();
      negations++;
    }
    let result = comparison();
    // An even number of negations is as many as two: the value becomes true or false.
    for (let i = negations > 2 ? 2 - (negations % 2) : negations; i > 0; i--) {
      result = { kind: 'unary', op: 'not', operand: result };
    }
    return result;
  }

  function comparison(): Expression {
    const first = sum();
    const rest: (readonly [CompareOp, Expression])[] = [];
    for (;;) {
      if (isOp(...comparisons)) rest.push([tokens.next().text as CompareOp, sum()]);
      else if (tokens.accept('name', 'in')) rest.push(['in', sum()]);
      else if (isName('not') && tokens.peek(1).text === 'in') {
        tokens.next();
        tokens.next();
        rest.push(['not in', sum()]);
      } else return rest.length === 0 ? first : { kind: 'compare', first, rest };
    }
  }

  const chain = (ops: readonly BinaryOp[], operand: () => Expression): (() => Expression) => {
    return () => {
      let left = operand();
      while (isOp(...ops)) left = { kind: 'binary', op: tokens.next().text as BinaryOp, left, right: operand() };
      return left;
    };
  };
  const power = chain(['**'], () => unaryExpression());
  const product = chain(['*', '/', '//', '%'], power);
  const sum = chain(['+', '-'], concatenation);

  function concatenation(): Expression {
    const parts = [product()];
    while (tokens.accept('op', '~')) parts.push(product());
    return parts.length === 1 ? (parts[0] as Expression) : { kind: 'concat', parts };
  }

  /** A signed operand; filters bind less tightly than the sign. */
  function unaryExpression(withFilter = true): Expression {
    return tokens.nested(() => {
      let result: Expression;
      if (isOp('-', '+')) {
        const op = tokens.next().text as '-' | '+';
        result = { kind: 'unary', op, operand: unaryExpression(false) };
      } else result = postfix(primary());
      return withFilter ? filtered(result) : result;
    });
  }

  function primary(): Expression {
    const token = tokens.next();
    if (token.kind === 'name') {
      const value = Object.hasOwn(constants, token.text) ? constants[token.text] : undefined;
      return value === undefined ? { kind: 'name', name: token.text } : { kind: 'constant', value };
    }
    if (token.kind === 'string') {
      let value = token.text;
      while (tokens.peek().kind === 'string') value += tokens.next().text;
      return { kind: 'constant', value };
    }
    if (token.kind === 'float') return { kind: 'float', value: Number(token.text) };
    if (token.kind === 'integer') {
      const value = Number(token.text);
      if (!Number.isSafeInteger(value)) throw tokens.fail('a whole number beyond 2^53');
      return { kind: 'constant', value };
    }
    if (token.text === '(' && token.kind === 'op') {
      const inner = tokens.accept('op', ')') ? ({ kind: 'tuple', items: [] } as const) : tupleOrExpression();
      if (inner.kind !== 'tuple' || inner.items.length > 0) tokens.expect('op', ')');
      return inner;
    }
    if (token.text === '[' && token.kind === 'op') return { kind: 'list', items: listed(']', expression) };
    if (token.text === '{' && token.kind === 'op') return { kind: 'dict', entries: listed('}', entry) };
    throw tokens.fail(`expected a value, got ${token.text.slice(0, 40)}`);
  }

  /** Items up to a closing bracket, with or without a last comma. */
  function listed<T>(close: string, item: () => T): readonly T[] {
    const items: T[] = [];
    while (!tokens.accept('op', close)) {
      if (items.length > 0) tokens.expect('op', ',');
      if (tokens.accept('op', close)) break;
      items.push(item());
    }
    return items;
  }

  function entry(): readonly [Expression, Expression] {
    const key = expression();
    tokens.expect('op', ':');
    return [key, expression()];
  }

  /** `a` or `a, b`. */
  function tupleOrExpression(item: () => Expression = expression): Expression {
    const items = [item()];
    let isTuple = false;
    while (tokens.accept('op', ',')) {
      isTuple = true;
      if (isOp(')', ']') || tokens.peek().kind === '%}' || tokens.peek().kind === '}}' || isOp('=')) break;
      items.push(item());
    }
    return isTuple ? { kind: 'tuple', items } : (items[0] as Expression);
  }

  function postfix(start: Expression): Expression {
    let object = start;
    for (;;) {
      if (tokens.accept('op', '.')) {
        const token = tokens.next();
        if (token.kind === 'name') object = { kind: 'attribute', object, name: token.text };
        else if (token.kind === 'integer') {
          object = { kind: 'item', object, index: { kind: 'constant', value: Number(token.text) } };
        } else throw tokens.fail('expected a name after the dot');
      } else if (tokens.accept('op', '[')) object = subscript(object);
      else if (isOp('(')) object = { kind: 'call', callee: object, args: callArguments() };
      else return object;
    }
  }

  function subscript(object: Expression): Expression {
    const part = (): Expression | undefined => (isOp(':', ']') ? undefined : tupleOrExpression());
    const start = part();
    if (start !== undefined && tokens.accept('op', ']')) return { kind: 'item', object, index: start };
    tokens.expect('op', ':');
    const stop = part();
    const step = tokens.accept('op', ':') ? part() : undefined;
    tokens.expect('op', ']');
    return {
      kind: 'slice',
      object,
      ...(start === undefined ? {} : { start }),
      ...(stop === undefined ? {} : { stop }),
      ...(step === undefined ? {} : { step }),
    };
  }

  function callArguments(): readonly Argument[] {
    tokens.expect('op', '(');
    return listed(')', argument);
  }

  function argument(): Argument {
    if (tokens.accept('op', '*')) return { name: '*', value: expression() };
    if (tokens.accept('op', '**')) return { name: '**', value: expression() };
    if (tokens.peek().kind === 'name' && tokens.peek(1).kind === 'op' && tokens.peek(1).text === '=') {
      const name = tokens.next().text;
      tokens.next();
      return { name, value: expression() };
    }
    return { value: expression() };
  }

  function filtered(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (tokens.accept('op', '|')) {
        const name = dottedName();
        value = { kind: 'filter', name, value, args: isOp('(') ? callArguments() : [] };
      } else if (tokens.accept('name', 'is')) value = test(value);
      else if (isOp('(')) value = { kind: 'call', callee: value, args: callArguments() };
      else return value;
    }
  }

  /** `x is name`, `x is name(a)` or `x is name a`. */
  function test(value: Expression): Expression {
    const negated = tokens.accept('name', 'not');
    const name = dottedName();
    const next = tokens.peek();
    const hasOperand = ['name', 'string', 'integer', 'float'].includes(next.kind)
      ? !isName('else', 'or', 'and', 'is', 'in', 'if', 'not', 'recursive')
      : isOp('[', '{');
    const args = isOp('(') ? callArguments() : hasOperand ? [{ value: postfix(primary()) }] : [];
    return { kind: 'test', name, value, args, negated };
  }

  function dottedName(): string {
    let name = tokens.expect('name').text;
    while (tokens.accept('op', '.')) name += `.${tokens.expect('name').text}`;
    return name;
  }

  return { expression, orExpression, tupleOrExpression, unaryExpression, callArguments };
}
