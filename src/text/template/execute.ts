/** Runs the statements of a template: what they write goes to an output, what they set to a scope. */

import type { FilterCall, Macro, Statement, Target } from './ast.js';
import type { Budget } from './budget.js';
import { argumentsOf, type Context, call, evaluate, lookUp, type Scope } from './evaluate.js';
import { loopOver } from './loop.js';
import { joined, textOf } from './print.js';
import {
  type Arguments,
  dict,
  failure,
  isThing,
  itemsOf,
  list,
  type Thing,
  thing,
  truthy,
  type Value,
} from './values.js';

/** Where text is written. `captured` text becomes a value, so its generation blocks have no place in the whole. */
export interface Output {
  readonly parts: string[];
  length: number;
  readonly generated: (readonly [number, number])[];
  readonly captured: boolean;
}

export function newOutput(captured: boolean): Output {
  return { parts: [], length: 0, generated: [], captured };
}

type Signal = 'break' | 'continue' | undefined;

/** Runs statements in order up to a break or continue. */
export function execute(body: readonly Statement[], scope: Scope, output: Output, context: Context): Signal {
  return context.budget.within(() => {
    for (const statement of body) {
      context.budget.step();
      const signal = runStatement(statement, scope, output, context);
      if (signal !== undefined) return signal;
    }
    return undefined;
  });
}

function runStatement(node: Statement, scope: Scope, output: Output, context: Context): Signal {
  const of = (expression: Parameters<typeof evaluate>[0]): Value => evaluate(expression, scope, context);
  switch (node.kind) {
    case 'text':
      write(output, node.text, context.budget);
      return undefined;
    case 'output':
      write(output, textOf(of(node.value), context.budget), context.budget);
      return undefined;
    case 'if': {
      const branch = node.branches.find(({ test }) => truthy(of(test)));
      return execute(branch?.body ?? node.otherwise, scope, output, context);
    }
    case 'for':
      runLoop(node, of(node.over), scope, output, context, 0);
      return undefined;
    case 'break':
    case 'continue':
      return node.kind;
    case 'set':
      assign(node.target, of(node.value), scope, context);
      return undefined;
    case 'capture':
      assign(
        node.target,
        filtered(node.filters, captured(node.body, child(scope), context), scope, context),
        scope,
        context,
      );
      return undefined;
    case 'with': {
      const inner = child(scope);
      for (const [target, value] of node.values) assign(target, of(value), inner, context);
      return execute(node.body, inner, output, context);
    }
    case 'macro':
      scope.values.set(node.macro.name, macroValue(node.macro, scope, context));
      return undefined;
    case 'call-block':
      write(output, callBlock(node, scope, context), context.budget);
      return undefined;
    case 'filter-block':
      write(
        output,
        textOf(filtered(node.filters, captured(node.body, child(scope), context), scope, context), context.budget),
        context.budget,
      );
      return undefined;
    case 'generation': {
      const start = output.length;
      execute(node.body, child(scope), output, context);
      if (!output.captured) output.generated.push([start, output.length]);
      return undefined;
    }
  }
}

function write(output: Output, text: string, budget: Budget): void {
  budget.output(text.length);
  budget.read(text.length);
  output.parts.push(text);
  output.length += text.length;
}

export function child(parent: Scope): Scope {
  return { values: new Map(), parent };
}

function captured(body: readonly Statement[], scope: Scope, context: Context): string {
  const output = newOutput(true);
  execute(body, scope, output, context);
  return joined(output.parts, context.budget);
}

function filtered(filters: readonly FilterCall[], start: Value, scope: Scope, context: Context): Value {
  const of = (expression: Parameters<typeof evaluate>[0]): Value => evaluate(expression, scope, context);
  return filters.reduce(
    (value, { name, args }) => context.filter(name, value, argumentsOf(args, of, context.budget)),
    start,
  );
}

function assign(target: Target, value: Value, scope: Scope, context: Context): void {
  if (target.kind === 'name') scope.values.set(target.name, value);
  else if (target.kind === 'names') {
    const items = itemsOf(value, context.budget);
    if (items.length !== target.items.length) throw failure(`${items.length} values for ${target.items.length} names`);
    for (const [i, item] of items.entries()) assign(target.items[i] as Target, item, scope, context);
  } else {
    const object = lookUp(target.object, scope, context.budget);
    if (!isThing(object) || object.set === undefined)
      throw failure(`${target.object} is no namespace, so ${target.name} cannot be set`);
    object.set(target.name, value);
  }
}

function runLoop(
  node: Statement & { kind: 'for' },
  over: Value,
  scope: Scope,
  output: Output,
  context: Context,
  depth: number,
): void {
  const { budget } = context;
  const all = itemsOf(over, budget);
  const passing = (item: Value): boolean => {
    const inner = child(scope);
    assign(node.target, item, inner, context);
    return node.test === undefined || truthy(evaluate(node.test, inner, context));
  };
  const items = node.test === undefined ? all : all.filter(passing);
  const again = (value: Value): Value => {
    const inner = newOutput(true);
    runLoop(node, value, scope, inner, context, depth + 1);
    return joined(inner.parts, budget);
  };
  const loop = loopOver(items, depth, budget, node.recursive ? again : undefined);
  for (const [i, item] of items.entries()) {
    budget.step();
    loop.moveTo(i);
    const inner = child(scope);
    inner.values.set('loop', loop.value);
    assign(node.target, item, inner, context);
    if (execute(node.body, inner, output, context) === 'break') break;
  }
  if (items.length === 0) execute(node.otherwise, child(scope), output, context);
}

/** A macro sees the names of the place where it is defined. `caller` is the body of a call block. */
function macroValue(macro: Macro, scope: Scope, context: Context): Thing {
  const names = macro.parameters.map(({ name }) => name);
  const run = (args: Arguments): Value => {
    const inner = child(scope);
    const extra = args.positional.slice(names.length);
    const others = [...args.named].filter(([name]) => !names.includes(name));
    inner.values.set('varargs', list(extra, 'tuple'));
    inner.values.set(
      'kwargs',
      dict(
        others.filter(([name]) => name !== 'caller'),
        context.budget,
      ),
    );
    for (const [name, value] of others) if (name === 'caller') inner.values.set(name, value);
    for (const [i, { name, otherwise }] of macro.parameters.entries()) {
      const given = args.named.get(name) ?? args.positional[i];
      const missing: Value = { kind: 'undefined', name };
      inner.values.set(name, given ?? (otherwise === undefined ? missing : evaluate(otherwise, inner, context)));
    }
    return captured(macro.body, inner, context);
  };
  return thing('macro', (name) => (name === 'name' ? macro.name : undefined), run);
}

function callBlock(node: Statement & { kind: 'call-block' }, scope: Scope, context: Context): string {
  if (node.call.kind !== 'call') throw failure('{% call %} needs a call');
  const of = (expression: Parameters<typeof evaluate>[0]): Value => evaluate(expression, scope, context);
  const args = argumentsOf(node.call.args, of, context.budget);
  const named = new Map(args.named).set('caller', macroValue(node.caller, scope, context));
  return textOf(call(of(node.call.callee), { positional: args.positional, named }), context.budget);
}
