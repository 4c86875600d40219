/** `x is …`: the tests of Jinja 3.1. */

import type { CompareOp } from './ast.js';
import type { Context } from './evaluate.js';
import { filters } from './filters.js';
import {
  type Arguments,
  compare,
  contains,
  equal,
  failure,
  isDict,
  isInt,
  isList,
  isThing,
  isUndefined,
  numberOf,
  typeName,
  type Value,
} from './values.js';

type Test = (value: Value, args: Arguments, context: Context) => boolean;

function operand(args: Arguments): Value {
  const found = args.positional[0];
  if (found === undefined) throw failure('a test needs a value to compare with');
  return found;
}

const comparing =
  (op: CompareOp): Test =>
  (value, args, { budget }) => {
    const other = operand(args);
    if (op === '==') return equal(value, other, budget);
    if (op === '!=') return !equal(value, other, budget);
    if (op === 'in') return contains(other, value, budget);
    const order = compare(value, other, budget);
    return op === '<' ? order < 0 : op === '<=' ? order <= 0 : op === '>' ? order > 0 : order >= 0;
  };

function intOf(value: Value): number {
  const number = numberOf(value);
  if (number === undefined) throw failure(`a ${typeName(value)} is no number`);
  return number;
}

export const tests: Readonly<Record<string, Test>> = {
  defined: (value) => !isUndefined(value),
  undefined: isUndefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  true: (value) => value === true,
  false: (value) => value === false,
  string: (value) => typeof value === 'string',
  number: (value) => numberOf(value) !== undefined,
  integer: (value) => isInt(value) && typeof value !== 'boolean',
  float: (value) => typeName(value) === 'float',
  mapping: isDict,
  sequence: (value) => typeof value === 'string' || isList(value) || isDict(value) || isUndefined(value),
  iterable: (value) => typeof value === 'string' || isList(value) || isDict(value) || isUndefined(value),
  callable: (value) => isThing(value) && value.call !== undefined,
  odd: (value) => Math.abs(intOf(value) % 2) === 1,
  even: (value) => intOf(value) % 2 === 0,
  divisibleby: (value, args) => intOf(value) % intOf(operand(args)) === 0,
  sameas: (value, args) => value === operand(args),
  lower: (value) => typeof value === 'string' && value === value.toLowerCase() && value !== value.toUpperCase(),
  upper: (value) => typeof value === 'string' && value === value.toUpperCase() && value !== value.toLowerCase(),
  filter: (value) => typeof value === 'string' && Object.hasOwn(filters, value),
  test: (value): boolean => typeof value === 'string' && Object.hasOwn(tests, value),
  in: comparing('in'),
  eq: comparing('=='),
  equalto: comparing('=='),
  '==': comparing('=='),
  ne: comparing('!='),
  '!=': comparing('!='),
  lt: comparing('<'),
  lessthan: comparing('<'),
  '<': comparing('<'),
  le: comparing('<='),
  '<=': comparing('<='),
  gt: comparing('>'),
  greaterthan: comparing('>'),
  '>': comparing('>'),
  ge: comparing('>='),
  '>=': comparing('>='),
};
