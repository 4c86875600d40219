/** Evaluates the expressions of a template within a budget. */

import type { Argument, BinaryOp, CompareOp, Expression } from './ast.js';
import type { Budget } from './budget.js';
import { filters } from './filters.js';
import { methodOf } from './methods.js';
import { formatted, joined, textOf } from './print.js';
import { tests } from './tests.js';
import {
  type Arguments,
  charsOf,
  compare,
  contains,
  dict,
  equal,
  failure,
  float,
  isDict,
  isInt,
  isList,
  isThing,
  isUndefined,
  itemsOf,
  keyOf,
  list,
  numberOf,
  truthy,
  typeName,
  type Value,
} from './values.js';

export interface Scope {
  readonly values: Map<string, Value>;
  readonly parent: Scope | undefined;
}

/** What filters and tests may use of the interpreter. */
export interface Context {
  readonly budget: Budget;
  filter(name: string, value: Value, args: Arguments): Value;
  test(name: string, value: Value, args: Arguments): boolean;
}

export function contextOf(budget: Budget): Context {
  const context: Context = {
    budget,
    filter(name, value, args) {
      const run = Object.hasOwn(filters, name) ? filters[name] : undefined;
      if (run === undefined) throw failure(`an unknown filter "${name}"`);
      budget.step();
      return run(value, args, context);
    },
    test(name, value, args) {
      const run = Object.hasOwn(tests, name) ? tests[name] : undefined;
      if (run === undefined) throw failure(`an unknown test "${name}"`);
      budget.step();
      return run(value, args, context);
    },
  };
  return context;
}

export function lookUp(name: string, scope: Scope, budget: Budget): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const found = at.values.get(name);
    if (found !== undefined) return found;
    budget.step(0.1);
  }
  return { kind: 'undefined', name };
}

export function evaluate(node: Expression, scope: Scope, context: Context): Value {
  context.budget.step();
  return context.budget.within(() => evaluators(node, scope, context));
}

function evaluators(node: Expression, scope: Scope, context: Context): Value {
  const { budget } = context;
  const of = (inner: Expression): Value => evaluate(inner, scope, context);
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'float':
      return float(node.value);
    case 'name':
      return lookUp(node.name, scope, budget);
    case 'list':
    case 'tuple':
      budget.list(node.items.length);
      return list(node.items.map(of), node.kind);
    case 'dict':
      budget.list(node.entries.length);
      return dict(
        node.entries.map(([key, value]) => [of(key), of(value)] as const),
        budget,
      );
    case 'concat':
      return joined(
        node.parts.map((part) => textOf(of(part), budget)),
        budget,
      );
    case 'unary':
      return node.op === 'not' ? !truthy(of(node.operand)) : signed(node.op, of(node.operand));
    case 'binary':
      return arithmetic(node.op, of(node.left), of(node.right), budget);
    case 'logic': {
      const left = of(node.left);
      return truthy(left) === (node.op === 'and') ? of(node.right) : left;
    }
    case 'compare':
      return compared(node, of, budget);
    case 'condition':
      if (truthy(of(node.test))) return of(node.value);
      return node.otherwise === undefined
        ? { kind: 'undefined', name: 'the value of an if without else' }
        : of(node.otherwise);
    case 'attribute':
      return attributeOf(of(node.object), node.name, context);
    case 'item':
      return itemOf(of(node.object), of(node.index), context);
    case 'slice': {
      const part = (bound: Expression | undefined): Value => (bound === undefined ? null : of(bound));
      return sliced(of(node.object), part(node.start), part(node.stop), part(node.step), budget);
    }
    case 'call':
      return call(of(node.callee), argumentsOf(node.args, of, budget));
    case 'filter':
      return context.filter(node.name, of(node.value), argumentsOf(node.args, of, budget));
    case 'test':
      return context.test(node.name, of(node.value), argumentsOf(node.args, of, budget)) !== node.negated;
  }
}

export function call(callee: Value, args: Arguments): Value {
  if (isThing(callee) && callee.call !== undefined) return callee.call(args);
  if (isUndefined(callee)) throw failure(`'${callee.name}' is undefined`);
  throw failure(`a ${typeName(callee)} cannot be called`);
}

export function argumentsOf(args: readonly Argument[], of: (node: Expression) => Value, budget: Budget): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const { name, value } of args) {
    const found = of(value);
    if (name === undefined) positional.push(found);
    else if (name === '*') for (const item of itemsOf(found, budget)) positional.push(item);
    else if (name !== '**') named.set(name, found);
    else if (isDict(found)) for (const [key, item] of found.entries.values()) named.set(textOf(key, budget), item);
    else throw failure('** needs a dict');
  }
  return { positional, named };
}

/** `object.name`: a method first, then an entry, as Jinja looks. */
export function attributeOf(object: Value, name: string, { budget }: Context): Value {
  if (isUndefined(object)) throw failure(`'${object.name}' is undefined`);
  if (isThing(object)) return object.get(name) ?? { kind: 'undefined', name };
  const method = methodOf(object, name, budget);
  if (method !== undefined) return method;
  return (isDict(object) ? object.entries.get(keyOf(name, budget))?.[1] : undefined) ?? { kind: 'undefined', name };
}

/** `object[index]`: an entry first, then a method. */
export function itemOf(object: Value, index: Value, context: Context): Value {
  const { budget } = context;
  const missing: Value = { kind: 'undefined', name: textOf(index, budget) };
  if (isUndefined(object)) throw failure(`'${object.name}' is undefined`);
  if (isDict(object)) {
    const entry = isList(index) && index.kind === 'list' ? undefined : object.entries.get(keyOf(index, budget));
    if (entry !== undefined) return entry[1];
  }
  if (typeof index === 'string') return attributeOf(object, index, context);
  const position = numberOf(index);
  if (position === undefined || !Number.isInteger(position)) return missing;
  const items = isList(object) ? object.items : typeof object === 'string' ? charsOf(object, budget) : [];
  return items.at(position) ?? missing;
}

function sliced(object: Value, from: Value, to: Value, by: Value, budget: Budget): Value {
  const items = typeof object === 'string' ? charsOf(object, budget) : isList(object) ? object.items : undefined;
  if (items === undefined) throw failure(`a ${typeName(object)} cannot be sliced`);
  const bound = (value: Value): number | undefined => {
    if (value === null) return undefined;
    const number = numberOf(value);
    if (number === undefined || !isInt(value)) throw failure('slice bounds must be whole numbers');
    return number;
  };
  const step = bound(by) ?? 1;
  if (step === 0) throw failure('a slice with step 0');
  // Python's rules for bounds beyond the ends.
  const [lowest, highest] = step > 0 ? [0, items.length] : [-1, items.length - 1];
  const clamp = (index: number): number =>
    Math.max(lowest, Math.min(highest, index < 0 ? index + items.length : index));
  const start = clampOr(bound(from), step > 0 ? lowest : highest, clamp);
  const stop = clampOr(bound(to), step > 0 ? highest : lowest, clamp);
  budget.list(Math.max(0, Math.ceil((stop - start) / step)));
  const result: Value[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) result.push(items[i] as Value);
  return typeof object === 'string' ? result.join('') : list(result, isList(object) ? object.kind : 'list');
}

function clampOr(value: number | undefined, otherwise: number, clamp: (index: number) => number): number {
  return value === undefined ? otherwise : clamp(value);
}

function signed(op: '-' | '+', operand: Value): Value {
  const number = numberOf(operand);
  if (number === undefined) throw failure(`a ${typeName(operand)} has no sign`);
  const result = op === '-' ? -number : number;
  return isInt(operand) ? whole(result) : float(result);
}

/** An int; Python's have no end, these do. */
function whole(value: number): number {
  if (!Number.isSafeInteger(value)) throw failure('a whole number beyond 2^53');
  return value + 0; // no negative zero
}

export function arithmetic(op: BinaryOp, left: Value, right: Value, budget: Budget): Value {
  for (const value of [left, right]) if (isUndefined(value)) throw failure(`'${value.name}' is undefined`);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) return calculated(op, a, b, isInt(left) && isInt(right));
  if (op === '+' && typeof left === 'string' && typeof right === 'string') return joined([left, right], budget);
  if (op === '+' && isList(left) && isList(right) && left.kind === right.kind) {
    budget.list(left.items.length + right.items.length);
    return list([...left.items, ...right.items], left.kind);
  }
  if (op === '*' && a !== undefined) return repeated(right, left, budget);
  if (op === '*' && b !== undefined) return repeated(left, right, budget);
  if (op === '%' && typeof left === 'string') {
    const positional = isList(right) && right.kind === 'tuple' ? right.items : [right];
    return formatted(left, positional, budget);
  }
  throw failure(`${op} is not defined for ${typeName(left)} and ${typeName(right)}`);
}

function repeated(value: Value, times: Value, budget: Budget): Value {
  const count = Math.max(0, numberOf(times) as number);
  if (!isInt(times)) throw failure('* needs a whole number of times');
  if (typeof value === 'string') {
    budget.string(value.length * count);
    return value.repeat(value === '' ? 0 : count);
  }
  if (!isList(value)) throw failure(`a ${typeName(value)} cannot be repeated`);
  budget.list(value.items.length * count);
  return list(
    Array.from({ length: value.items.length * count }, (_, i) => value.items[i % value.items.length] as Value),
    value.kind,
  );
}

function calculated(op: BinaryOp, a: number, b: number, ints: boolean): Value {
  if (b === 0 && (op === '/' || op === '//' || op === '%')) throw failure('a division by zero');
  const result = (value: number): Value => (ints ? whole(value) : float(value));
  switch (op) {
    case '+':
      return result(a + b);
    case '-':
      return result(a - b);
    case '*':
      return result(a * b);
    case '/':
      return float(a / b);
    case '//':
      return result(Math.floor(a / b));
    case '%':
      return result(a - b * Math.floor(a / b)); // the sign of the divisor, as in Python
    case '**':
      return ints && b >= 0 ? whole(a ** b) : float(a ** b);
  }
}

function compared(node: Expression & { kind: 'compare' }, of: (node: Expression) => Value, budget: Budget): boolean {
  let left = of(node.first);
  for (const [op, expression] of node.rest) {
    const right = of(expression);
    if (!holds(op, left, right, budget)) return false;
    left = right;
  }
  return true;
}

export function holds(op: CompareOp, left: Value, right: Value, budget: Budget): boolean {
  switch (op) {
    case '==':
      return equal(left, right, budget);
    case '!=':
      return !equal(left, right, budget);
    case 'in':
      return contains(right, left, budget);
    case 'not in':
      return !contains(right, left, budget);
    case '<':
      return compare(left, right, budget) < 0;
    case '<=':
      return compare(left, right, budget) <= 0;
    case '>':
      return compare(left, right, budget) > 0;
    case '>=':
      return compare(left, right, budget) >= 0;
  }
}
