/** Values as text: Python's str and repr, and JSON. */

import type { Budget } from './budget.js';
import { failure, isDict, isList, isThing, isUndefined, numberOf, typeName, type Value } from './values.js';

/** Python's `str`, which `{{ }}` writes. */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value;
  if (isUndefined(value)) return '';
  return represent(value, budget);
}

function represent(value: Value, budget: Budget): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return quoted(value, budget);
  const number = numberOf(value);
  if (number !== undefined) return numberText(value, number);
  if (isUndefined(value)) return 'Undefined';
  if (isThing(value)) return `<${value.type}>`;
  return written(value, budget, { item: ', ', key: ': ', open: '', close: '', tuples: true }, (item) =>
    represent(item, budget),
  );
}

export function numberText(value: Value, number: number): string {
  return typeof value === 'number' && Number.isInteger(value) ? String(value) : floatText(number);
}

/** Python's repr of a float: the shortest digits, with an exponent below 1e-4 and from 1e16. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const [digits, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (Object.is(value, -0)) return '-0.0';
  const plain =
    exponent < 0 ? value.toFixed(Math.max(0, digits.replace(/[-.]/g, '').length - 1 - exponent)) : String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

function quoted(text: string, budget: Budget): string {
  budget.string(text.length + 2);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'"\p{Cc}\u00a0\u00ad]/gu, (char) => {
    if (char === '\\' || char === quote) return `\\${char}`;
    if (char === "'" || char === '"') return char;
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[char];
    return short ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return quote + escaped + quote;
}

interface Layout {
  readonly item: string;
  readonly key: string;
  /** Between a bracket and what it holds. */
  readonly open: string;
  readonly close: string;
  /** Whether tuples have brackets of their own. */
  readonly tuples: boolean;
}

/** A list or dict in brackets, charged before it is joined. */
function written(value: Value, budget: Budget, layout: Layout, part: (item: Value) => string): string {
  return budget.within(() => {
    budget.step();
    let [open, close] = ['[', ']'];
    let parts: string[];
    if (isDict(value)) {
      [open, close] = ['{', '}'];
      parts = [...value.entries.values()].map(([key, item]) => part(key) + layout.key + part(item));
    } else if (isList(value)) {
      if (value.kind === 'tuple' && layout.tuples) [open, close] = ['(', ')'];
      parts = value.items.map(part);
      if (open === '(' && parts.length === 1) parts[0] += ',';
    } else throw failure(`a ${typeName(value)} is no JSON`);
    budget.string(parts.reduce((sum, each) => sum + each.length + layout.item.length, 2));
    return parts.length === 0 ? open + close : open + layout.open + parts.join(layout.item) + layout.close + close;
  });
}

export interface JsonOptions {
  readonly indent: number | undefined;
  readonly separators: readonly [string, string] | undefined;
  readonly sortKeys: boolean;
  readonly ascii: boolean;
}

/** Python's json.dumps. */
export function jsonOf(value: Value, options: JsonOptions, budget: Budget, level = 0): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return jsonString(value, options.ascii, budget);
  const number = numberOf(value);
  if (number !== undefined) {
    const written = numberText(value, number);
    return { nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' }[written] ?? written;
  }
  if (isUndefined(value) || isThing(value)) throw failure(`a ${typeName(value)} is no JSON`);
  const { indent } = options;
  const newline = (depth: number): string => (indent === undefined ? '' : `\n${' '.repeat(indent * depth)}`);
  const [item, key] = options.separators ?? [indent === undefined ? ', ' : ',', ': '];
  const layout = {
    item: item + newline(level + 1),
    key,
    open: newline(level + 1),
    close: newline(level),
    tuples: false,
  };
  return jsonBrackets(options.sortKeys ? sorted(value) : value, layout, budget, (inner) =>
    jsonOf(inner, options, budget, level + 1),
  );
}

function jsonBrackets(value: Value, layout: Layout, budget: Budget, part: (item: Value) => string): string {
  if (!isDict(value)) return written(value, budget, layout, part);
  const asText = ([key, item]: readonly [Value, Value]): readonly [Value, Value] => [jsonKey(key, budget), item];
  const entries = new Map([...value.entries].map(([name, entry]) => [name, asText(entry)]));
  return written({ kind: 'dict', entries }, budget, layout, part);
}

/** Keys are texts in JSON: true is "true", 1 is "1". */
function jsonKey(key: Value, budget: Budget): string {
  if (typeof key === 'string') return key;
  if (key === null || typeof key === 'boolean') return String(key);
  return represent(key, budget);
}

function sorted(value: Value): Value {
  if (!isDict(value)) return value;
  const entries = [...value.entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { kind: 'dict', entries: new Map(entries) };
}

function jsonString(text: string, ascii: boolean, budget: Budget): string {
  budget.string(text.length + 2);
  const written = JSON.stringify(text);
  if (!ascii) return written;
  budget.scan(written.length);
  return written.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function joined(parts: readonly string[], budget: Budget): string {
  budget.string(parts.reduce((sum, part) => sum + part.length, 0));
  return parts.join('');
}

/** Printf-style formatting with %s, %d, %f and %%. */
export function formatted(pattern: string, args: readonly Value[], budget: Budget): string {
  budget.scan(pattern.length);
  let next = 0;
  const parts: string[] = [];
  let last = 0;
  for (const found of pattern.matchAll(/%(-?)(0?)(\d{0,3})(?:\.(\d{1,2}))?([sdifr%])/g)) {
    const [all, left, zeros, wide, digits, kind] = found;
    parts.push(pattern.slice(last, found.index));
    last = found.index + all.length;
    if (kind === '%') {
      parts.push('%');
      continue;
    }
    const value = args[next++];
    if (value === undefined) throw failure('too few values for a format');
    const number = numberOf(value);
    if (kind !== 's' && kind !== 'r' && number === undefined)
      throw failure(`%${kind} needs a number, not a ${typeName(value)}`);
    const text =
      kind === 'f'
        ? (number as number).toFixed(Number(digits ?? 6))
        : kind === 's' || kind === 'r'
          ? textOf(value, budget)
          : String(Math.trunc(number as number));
    const width = Number(wide);
    parts.push(left === '-' ? text.padEnd(width) : text.padStart(width, zeros === '0' && kind !== 's' ? '0' : ' '));
  }
  if (next < args.length) throw failure('too many values for a format');
  return joined([...parts, pattern.slice(last)], budget);
}
