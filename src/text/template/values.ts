/**
 * The values of a template. They follow Python's, whose int and float differ: a JavaScript number is an int if it is whole,
 * and a whole float is a record. Lists and dicts never change; only a namespace does.
 */
import { QuintetError } from '../../tensor/index.js';
import type { Budget } from './budget.js';

export interface Float {
  readonly kind: 'float';
  readonly value: number;
}
export interface List {
  readonly kind: 'list' | 'tuple';
  readonly items: readonly Value[];
}
export interface Dict {
  readonly kind: 'dict';
  /** Entries by `keyOf` their key. */
  readonly entries: ReadonlyMap<string, readonly [Value, Value]>;
}
/** A missing value: it prints as nothing, and only asking it for something is an error. */
export interface Undefined {
  readonly kind: 'undefined';
  readonly name: string;
}
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}
/** A function, macro, namespace or `loop`. */
export interface Thing {
  readonly kind: 'thing';
  readonly type: string;
  get(name: string): Value | undefined;
  set?(name: string, value: Value): void;
  call?(args: Arguments): Value;
}

export type Value = null | boolean | number | string | Float | List | Dict | Undefined | Thing;

export function failure(problem: string): QuintetError {
  return new QuintetError('template', problem, { at: 'chat template' });
}

export function float(value: number): Value {
  return Number.isInteger(value) ? { kind: 'float', value } : value;
}

export function list(items: readonly Value[], kind: 'list' | 'tuple' = 'list'): List {
  return { kind, items };
}

export function dict(pairs: Iterable<readonly [Value, Value]>, budget: Budget): Dict {
  const entries = new Map<string, readonly [Value, Value]>();
  for (const [key, value] of pairs) {
    const name = keyOf(key, budget);
    entries.set(name, [entries.get(name)?.[0] ?? key, value]); // the first of two equal keys stays
  }
  return { kind: 'dict', entries };
}

export function thing(
  type: string,
  get: (name: string) => Value | undefined,
  call?: (args: Arguments) => Value,
): Thing {
  return { kind: 'thing', type, get, ...(call === undefined ? {} : { call }) };
}

export function isUndefined(value: Value): value is Undefined {
  return typeof value === 'object' && value !== null && value.kind === 'undefined';
}

export function isDict(value: Value): value is Dict {
  return typeof value === 'object' && value !== null && value.kind === 'dict';
}

export function isList(value: Value): value is List {
  return typeof value === 'object' && value !== null && (value.kind === 'list' || value.kind === 'tuple');
}

export function isThing(value: Value): value is Thing {
  return typeof value === 'object' && value !== null && value.kind === 'thing';
}

/** The number of an int, float or bool, else undefined. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'object' && value !== null && value.kind === 'float' ? value.value : undefined;
}

export function isInt(value: Value): boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isInteger(value));
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return value.kind === 'thing' ? value.type : value.kind;
}

/** What tells keys of a dict apart: 1, 1.0 and true are one key. */
export function keyOf(key: Value, budget: Budget): string {
  if (typeof key === 'string') {
    budget.read(key.length);
    return `s${key}`;
  }
  if (key === null) return 'none';
  const number = numberOf(key);
  if (number !== undefined) return `n${number}`;
  if (isList(key) && key.kind === 'tuple' && key.items.length < 100) {
    return `t${JSON.stringify(key.items.map((item) => (isList(item) ? typeName(item) : keyOf(item, budget))))}`;
  }
  throw failure(`a ${typeName(key)} cannot be a key`);
}

export function truthy(value: Value): boolean {
  if (value === null || typeof value === 'boolean') return value === true;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  if (value.kind === 'float') return value.value !== 0;
  if (value.kind === 'dict') return value.entries.size > 0;
  if (value.kind === 'undefined') return false;
  return value.kind === 'thing' || value.items.length > 0;
}

/** Code points: Python counts and cuts strings by them. */
export function charsOf(text: string, budget: Budget): readonly string[] {
  budget.list(text.length);
  return Array.from(text);
}

export function lengthOf(value: Value, budget: Budget): number {
  if (typeof value === 'string') {
    budget.read(value.length);
    return /[\ud800-\udbff]/.test(value) ? charsOf(value, budget).length : value.length;
  }
  if (isList(value)) return value.items.length;
  if (isDict(value)) return value.entries.size;
  if (isUndefined(value)) return 0;
  throw failure(`a ${typeName(value)} has no length`);
}

/** The items of a loop: characters of a string, keys of a dict. */
export function itemsOf(value: Value, budget: Budget): readonly Value[] {
  if (isList(value)) return value.items;
  if (typeof value === 'string') return charsOf(value, budget);
  if (isUndefined(value)) return [];
  if (isDict(value)) {
    budget.list(value.entries.size);
    return [...value.entries.values()].map(([key]) => key);
  }
  throw failure(`a ${typeName(value)} cannot be iterated`);
}

export function equal(a: Value, b: Value, budget: Budget): boolean {
  budget.step();
  if (typeof a === 'string' || typeof b === 'string') {
    if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) budget.read(a.length);
    return a === b;
  }
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined || y !== undefined) return x === y;
  if (isList(a) && isList(b)) {
    if (a.kind !== b.kind || a.items.length !== b.items.length) return false;
    return budget.within(() => a.items.every((item, i) => equal(item, b.items[i] as Value, budget)));
  }
  if (isDict(a) && isDict(b)) {
    if (a.entries.size !== b.entries.size) return false;
    return budget.within(() =>
      [...a.entries].every(([key, [, value]]) => {
        const other = b.entries.get(key);
        return other !== undefined && equal(value, other[1], budget);
      }),
    );
  }
  return a === b || (isUndefined(a) && isUndefined(b));
}

/** Negative, zero or positive as Python orders two values; an error where it does not. */
export function compare(a: Value, b: Value, budget: Budget): number {
  budget.step();
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a === 'string' && typeof b === 'string') {
    budget.read(Math.min(a.length, b.length));
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (isList(a) && isList(b)) {
    return budget.within(() => {
      for (let i = 0; i < Math.min(a.items.length, b.items.length); i++) {
        const order = compare(a.items[i] as Value, b.items[i] as Value, budget);
        if (order !== 0) return order;
      }
      return a.items.length - b.items.length;
    });
  }
  throw failure(`${typeName(a)} and ${typeName(b)} have no order`);
}

/** Python's `in`. */
export function contains(whole: Value, part: Value, budget: Budget): boolean {
  if (typeof whole === 'string') {
    if (typeof part !== 'string') throw failure(`a ${typeName(part)} cannot be in a string`);
    budget.search(whole.length, part.length);
    return whole.includes(part);
  }
  if (isDict(whole)) return whole.entries.has(keyOf(part, budget));
  if (isList(whole)) return whole.items.some((item) => equal(item, part, budget));
  if (isUndefined(whole)) return false;
  throw failure(`a ${typeName(whole)} holds nothing`);
}

/** A JSON value as the template sees it; what is no JSON, such as a decoded picture, is a dict without entries. */
export function fromJson(value: unknown, budget: Budget): Value {
  budget.step();
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? float(value) : value;
  if (Array.isArray(value)) {
    budget.list(value.length);
    return budget.within(() => list(value.map((item) => fromJson(item, budget))));
  }
  if (value === undefined) return { kind: 'undefined', name: 'value' };
  const plain = typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  const pairs = plain ? Object.entries(value as object).filter(([, item]) => item !== undefined) : [];
  budget.list(pairs.length);
  return budget.within(() =>
    dict(
      pairs.map(([key, item]) => [key, fromJson(item, budget)] as const),
      budget,
    ),
  );
}
