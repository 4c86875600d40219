/** `value | filter`: the filters of Jinja 3.1 that chat templates use. */

import { type Reader, readArguments } from './arguments.js';
import type { Context } from './evaluate.js';
import { listFilters } from './list-filters.js';
import { formatted, jsonOf, textOf } from './print.js';
import { capitalize, pad, replace, strip, titleWords } from './strings.js';
import {
  type Arguments,
  failure,
  float,
  isInt,
  isUndefined,
  itemsOf,
  lengthOf,
  numberOf,
  truthy,
  typeName,
  type Value,
} from './values.js';

export type Filter = (value: Value, args: Arguments, context: Context) => Value;

/** A filter with named arguments. */
function filter(
  name: string,
  names: readonly string[],
  run: (value: Value, args: Reader, context: Context) => Value,
): Filter {
  return (value, args, context) => run(value, readArguments(name, args, names), context);
}

/** A filter of the value as text. */
function textFilter(
  name: string,
  names: readonly string[],
  run: (text: string, args: Reader, context: Context) => Value,
): Filter {
  return filter(name, names, (value, args, context) => {
    const text = textOf(value, context.budget);
    context.budget.string(text.length);
    return run(text, args, context);
  });
}

const byLength = filter('length', [], (value, _, { budget }) => lengthOf(value, budget));
const byDefault = filter('default', ['default_value', 'boolean'], (value, args) => {
  const missing = isUndefined(value) || (args.flag('boolean', false) && !truthy(value));
  return missing ? (args.value('default_value') ?? '') : value;
});
const escaped = textFilter('escape', [], (text, _, { budget }) => {
  budget.string(5 * text.length);
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (char) => names[char] as string);
});

export const filters: Readonly<Record<string, Filter>> = {
  ...listFilters,
  length: byLength,
  count: byLength,
  default: byDefault,
  d: byDefault,
  escape: escaped,
  e: escaped,
  safe: (value) => value,
  string: textFilter('string', [], (text) => text),
  upper: textFilter('upper', [], (text) => text.toUpperCase()),
  lower: textFilter('lower', [], (text) => text.toLowerCase()),
  capitalize: textFilter('capitalize', [], (text, _, { budget }) => capitalize(text, budget)),
  title: textFilter('title', [], (text, _, { budget }) => titleWords(text, budget)),
  trim: textFilter('trim', ['chars'], (text, args, { budget }) => {
    const chars = args.value('chars');
    return strip(text, chars === undefined || chars === null ? undefined : args.text('chars'), 'both', budget);
  }),
  replace: textFilter('replace', ['old', 'new', 'count'], (text, args, { budget }) =>
    replace(text, args.text('old'), args.text('new'), args.whole('count', -1), budget),
  ),
  center: textFilter('center', ['width'], (text, args, { budget }) =>
    pad(text, args.whole('width', 80), ' ', 'both', budget),
  ),
  indent: textFilter('indent', ['width', 'first', 'blank'], indent),
  truncate: textFilter('truncate', ['length', 'killwords', 'end', 'leeway'], truncate),
  wordcount: textFilter('wordcount', [], (text, _, { budget }) => {
    budget.scan(text.length);
    return (text.match(/[\p{L}\p{N}_]+/gu) ?? []).length;
  }),
  format: (value, args, { budget }) => formatted(textOf(value, budget), args.positional, budget),
  tojson: filter('tojson', ['ensure_ascii', 'indent', 'separators', 'sort_keys'], toJson),
  int: filter('int', ['default', 'base'], (value, args, { budget }) => {
    const base = args.whole('base', 10);
    if (typeof value === 'string') budget.read(value.length);
    const number = typeof value === 'string' ? parseWhole(value, base) : numberOf(value);
    return number !== undefined && Number.isSafeInteger(Math.trunc(number))
      ? Math.trunc(number)
      : args.whole('default', 0);
  }),
  float: filter('float', ['default'], (value, args, { budget }) => {
    if (typeof value === 'string') budget.read(value.length);
    const isNumber = typeof value === 'string' && decimal.test(value);
    const number = isNumber ? Number(value) : numberOf(value);
    return number === undefined ? (args.value('default') ?? float(0)) : float(number);
  }),
  abs: filter('abs', [], (value) => {
    const number = numberOf(value);
    if (number === undefined) throw failure(`a ${typeName(value)} has no absolute value`);
    return isInt(value) ? Math.abs(number) : float(Math.abs(number));
  }),
  round: filter('round', ['precision', 'method'], round),
};

/** Digits have one way to match only: with two, a long text of them would be tried in all the ways to part it. */
const decimal = /^\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

function parseWhole(text: string, base: number): number | undefined {
  const trimmed = text.trim();
  if (base === 10 && /^[-+]?\d+(\.\d*)?([eE][-+]?\d+)?$/.test(trimmed)) return Number(trimmed);
  if (base < 2 || base > 36 || base === 10) return undefined;
  const number = Number.parseInt(trimmed, base);
  return Number.isNaN(number) ? undefined : number;
}

/** Rounds half to even as Python does; the result is a float. */
function round(value: Value, args: Reader): Value {
  const number = numberOf(value);
  const method = args.text('method', 'common');
  const precision = args.whole('precision', 0);
  if (number === undefined || precision < -15 || precision > 15) throw failure('round: not a number, or too precise');
  const scaled = number * 10 ** precision;
  if (method === 'ceil') return float(Math.ceil(scaled) / 10 ** precision);
  if (method === 'floor') return float(Math.floor(scaled) / 10 ** precision);
  if (method !== 'common') throw failure(`round: an unknown method "${method}"`);
  if (precision > 0) return float(Number(number.toFixed(precision)));
  const below = Math.floor(scaled);
  const isTie = scaled - below === 0.5;
  return float((isTie ? below + (below % 2 === 0 ? 0 : 1) : Math.round(scaled)) / 10 ** precision);
}

/** Puts blanks, or a text, before every line but the first. */
function indent(text: string, args: Reader, { budget }: Context): Value {
  const width = args.value('width') ?? 4;
  const length = typeof width === 'string' ? width.length : args.whole('width', 4);
  const lines = text.split('\n');
  budget.string(text.length + lines.length * Math.max(0, length));
  const blanks = typeof width === 'string' ? width : ' '.repeat(Math.max(0, length));
  const [first, blank] = [args.flag('first', false), args.flag('blank', false)];
  return lines.map((line, i) => ((i === 0 ? first : blank || line !== '') ? blanks + line : line)).join('\n');
}

function truncate(text: string, args: Reader): Value {
  const [length, end] = [args.whole('length', 255), args.text('end', '...')];
  if (text.length <= length + args.whole('leeway', 5)) return text;
  const cut = text.slice(0, Math.max(0, length - end.length));
  if (args.flag('killwords', false)) return cut + end;
  const lastSpace = cut.lastIndexOf(' ');
  return (lastSpace === -1 ? cut : cut.slice(0, lastSpace)) + end;
}

function toJson(value: Value, args: Reader, { budget }: Context): Value {
  const pair = args.value('separators');
  const written = pair === undefined || pair === null ? undefined : itemsOf(pair, budget);
  const [item, key] = written ?? [];
  if (written !== undefined && (typeof item !== 'string' || typeof key !== 'string'))
    throw failure('tojson: separators must be two strings');
  const indentation = args.value('indent');
  const width = indentation === undefined || indentation === null ? undefined : args.whole('indent');
  if (width !== undefined && (width < 0 || width > 64)) throw failure('tojson: indent must be 0 to 64');
  const separators = written === undefined ? undefined : ([item as string, key as string] as const);
  return jsonOf(
    value,
    { indent: width, separators, sortKeys: args.flag('sort_keys', false), ascii: args.flag('ensure_ascii', false) },
    budget,
  );
}
