/** Reads the tokens of a template into its tree, by the grammar of Jinja 3.1 (jinja2/parser.py). */

import { QuintetError } from '../../tensor/index.js';
import type { FilterCall, Macro, Parameter, Statement, Target } from './ast.js';
import { expressionParser } from './expressions.js';
import { tokenize } from './lexer.js';
import { cursorOver } from './tokens.js';

/** Longer templates are refused before they are read; the longest published one has some 20,000 characters. */
const longestTemplate = 2 ** 19;

export function parseTemplate(template: string): readonly Statement[] {
  if (template.length > longestTemplate) {
    throw new QuintetError('template', `the chat template has more than ${longestTemplate} characters`);
  }
  const tokens = cursorOver(tokenize(template));
  const { expression, orExpression, tupleOrExpression, unaryExpression, callArguments } = expressionParser(tokens);

  /** Statements up to one of the given names, whose tag is left open after the name. */
  function body(...ends: string[]): { readonly statements: readonly Statement[]; readonly end: string } {
    return tokens.nested(() => {
      const statements: Statement[] = [];
      for (;;) {
        const token = tokens.next();
        if (token.kind === 'text') statements.push({ kind: 'text', text: token.text });
        else if (token.kind === '{{') {
          statements.push({ kind: 'output', value: tupleOrExpression() });
          tokens.expect('}}');
        } else if (token.kind === '{%') {
          const keyword = tokens.expect('name').text;
          if (ends.includes(keyword)) return { statements, end: keyword };
          statements.push(statement(keyword));
        } else if (token.kind === 'end' && ends.length === 0) return { statements, end: '' };
        else throw tokens.fail(`expected ${ends.join(' or ') || 'text or a tag'}, got ${token.text}`);
      }
    });
  }

  function blockBody(end: string): readonly Statement[] {
    const { statements } = body(end);
    tokens.expect('%}');
    return statements;
  }

  function statement(keyword: string): Statement {
    const parse = Object.hasOwn(statements, keyword) ? statements[keyword] : undefined;
    if (parse === undefined) throw tokens.fail(`the tag {% ${keyword} %} is unknown here`);
    return parse();
  }

  const statements: Readonly<Record<string, () => Statement>> = {
    if: ifStatement,
    for: forStatement,
    set: setStatement,
    macro: () => ({ kind: 'macro', macro: macro(tokens.expect('name').text, 'endmacro') }),
    call: callBlock,
    with: withBlock,
    filter() {
      const filters = filterChain();
      tokens.expect('%}');
      return { kind: 'filter-block', filters, body: blockBody('endfilter') };
    },
    generation() {
      tokens.expect('%}');
      return { kind: 'generation', body: blockBody('endgeneration') };
    },
    break() {
      tokens.expect('%}');
      return { kind: 'break' };
    },
    continue() {
      tokens.expect('%}');
      return { kind: 'continue' };
    },
  };

  function ifStatement(): Statement {
    const branches: { test: ReturnType<typeof expression>; body: readonly Statement[] }[] = [];
    for (;;) {
      const test = tupleOrExpression();
      tokens.expect('%}');
      const { statements: then, end } = body('elif', 'else', 'endif');
      branches.push({ test, body: then });
      if (end === 'elif') continue;
      tokens.expect('%}');
      return { kind: 'if', branches, otherwise: end === 'else' ? blockBody('endif') : [] };
    }
  }

  function forStatement(): Statement {
    const target = names();
    tokens.expect('name', 'in');
    // Without conditions: `if` filters the loop here.
    const over = tupleOrExpression(orExpression);
    const test = tokens.accept('name', 'if') ? expression() : undefined;
    const recursive = tokens.accept('name', 'recursive');
    tokens.expect('%}');
    const { statements: inner, end } = body('else', 'endfor');
    tokens.expect('%}');
    const otherwise = end === 'else' ? blockBody('endfor') : [];
    return { kind: 'for', target, over, recursive, body: inner, otherwise, ...(test === undefined ? {} : { test }) };
  }

  function setStatement(): Statement {
    const target = names();
    if (tokens.accept('op', '=')) {
      const value = tupleOrExpression();
      tokens.expect('%}');
      return { kind: 'set', target, value };
    }
    const filters = tokens.accept('op', '|') ? filterChain() : [];
    tokens.expect('%}');
    return { kind: 'capture', target, filters, body: blockBody('endset') };
  }

  function withBlock(): Statement {
    const values: (readonly [Target, ReturnType<typeof expression>])[] = [];
    while (tokens.peek().kind !== '%}') {
      if (values.length > 0) tokens.expect('op', ',');
      const target = oneName();
      tokens.expect('op', '=');
      values.push([target, expression()]);
    }
    tokens.expect('%}');
    return { kind: 'with', values, body: blockBody('endwith') };
  }

  function callBlock(): Statement {
    const parameters = tokens.peek().text === '(' ? parameterList() : [];
    const call = unaryExpression();
    if (call.kind !== 'call') throw tokens.fail('{% call %} needs a call');
    tokens.expect('%}');
    return { kind: 'call-block', call, caller: { name: 'caller', parameters, body: blockBody('endcall') } };
  }

  function macro(name: string, end: string): Macro {
    const parameters = parameterList();
    tokens.expect('%}');
    return { name, parameters, body: blockBody(end) };
  }

  function parameterList(): readonly Parameter[] {
    const parameters: Parameter[] = [];
    tokens.expect('op', '(');
    while (!tokens.accept('op', ')')) {
      if (parameters.length > 0) tokens.expect('op', ',');
      if (tokens.accept('op', ')')) break;
      const name = tokens.expect('name').text;
      parameters.push(tokens.accept('op', '=') ? { name, otherwise: expression() } : { name });
    }
    return parameters;
  }

  function filterChain(): readonly FilterCall[] {
    const filters: FilterCall[] = [];
    do {
      const name = tokens.expect('name').text;
      filters.push({ name, args: tokens.peek().text === '(' && tokens.peek().kind === 'op' ? callArguments() : [] });
    } while (tokens.accept('op', '|'));
    return filters;
  }

  /** `a`, `a, b`, `(a, b)` or `space.attribute`. */
  function names(): Target {
    const items: Target[] = [oneTarget()];
    let isTuple = false;
    while (tokens.accept('op', ',')) {
      isTuple = true;
      if (tokens.peek().kind !== 'name' && tokens.peek().text !== '(') break;
      if (tokens.peek().text === 'in') break;
      items.push(oneTarget());
    }
    return isTuple ? { kind: 'names', items } : (items[0] as Target);
  }

  function oneTarget(): Target {
    if (!tokens.accept('op', '(')) return oneName();
    const inner = tokens.nested(names);
    tokens.expect('op', ')');
    return inner.kind === 'names' ? inner : { kind: 'names', items: [inner] };
  }

  function oneName(): Target {
    const name = tokens.expect('name').text;
    if (tokens.accept('op', '.')) return { kind: 'attribute', object: name, name: tokens.expect('name').text };
    return { kind: 'name', name };
  }

  return body().statements;
}
