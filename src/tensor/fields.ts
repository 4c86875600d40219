/** Checked reading of foreign JSON objects: every mistake names the file, the field, what was expected and what is there. */

import { nearest, QuintetError } from './errors.js';

/** One object of a foreign file. Readers throw where a field is missing (without a default) or of another kind. */
export interface Fields {
  /** The file and the path within it, as in `config.json: text_config`. */
  readonly at: string;
  /** The object itself. */
  readonly raw: Readonly<Record<string, unknown>>;
  has(name: string): boolean;
  /** The same object with a value for a field that is missing. */
  filled(name: string, value: unknown): Fields;
  /** The error that a field is not what is expected. */
  wrong(name: string, expected: string): QuintetError;
  whole(name: string, otherwise?: number): number;
  /** A whole number from 1 on: a size, or how many there are of something that cannot be left out. */
  count(name: string, otherwise?: number): number;
  /** How many layers there are, of which published models have up to 126: each is traced, so that there is a limit. */
  depth(name: string, otherwise?: number): number;
  number(name: string, otherwise?: number): number;
  flag(name: string, otherwise?: boolean): boolean;
  text(name: string, otherwise?: string): string;
  /** One of the given words; an unknown one lists them. */
  choice<T extends string>(name: string, words: readonly T[], otherwise?: T): T;
  numbers(name: string, otherwise?: readonly number[]): readonly number[];
  texts(name: string, otherwise?: readonly string[]): readonly string[];
  /** An object within; a missing one is empty where `optional`. */
  object(name: string, options?: { optional?: boolean }): Fields;
  objects(name: string): readonly Fields[];
  /**
   * What a model's configuration says of a part: empty where it says nothing. Other architectures have fields of the same
   * names, so a part of another `model_type` (of diffusers `_class_name`) than these is refused.
   */
  part(name: string, ...types: readonly string[]): Fields;
}

/** A reader of a JSON value that must be an object. */
export function fields(value: unknown, at: string): Fields {
  if (!isObject(value)) throw new QuintetError('config', `expected an object, got ${show(value)}`, { at });
  const raw = value;
  const placeOf = (name: string) => (at.includes(': ') ? `${at}.${name}` : `${at}: ${name}`);
  const wrong = (name: string, expected: string): QuintetError =>
    new QuintetError('config', `expected ${expected}, got ${show(raw[name])}`, { at: placeOf(name) });
  /** null counts as missing: published files write it for "the family's default". */
  const read = <T>(name: string, expected: string, accepts: (x: unknown) => x is T, otherwise: T | undefined): T => {
    const found = Object.hasOwn(raw, name) ? raw[name] : undefined;
    if (found === undefined || found === null) {
      if (otherwise !== undefined) return otherwise;
      throw wrong(name, expected);
    }
    if (!accepts(found)) throw wrong(name, expected);
    return found;
  };
  const has = (name: string): boolean => Object.hasOwn(raw, name) && raw[name] !== undefined && raw[name] !== null;
  return {
    ...{ at, raw, wrong, has },
    filled: (name, value) => fields(has(name) ? raw : { ...raw, [name]: value }, at),
    whole: (name, otherwise) => read(name, 'a whole number', isWhole, otherwise),
    count: (name, otherwise) => read(name, 'a whole number from 1 on', isCount, otherwise),
    depth: (name, otherwise) => read(name, `a whole number from 1 to ${mostLayers}`, isDepth, otherwise),
    number: (name, otherwise) => read(name, 'a number', isNumber, otherwise),
    flag: (name, otherwise) => read(name, 'true or false', isFlag, otherwise),
    text: (name, otherwise) => read(name, 'a text', isText, otherwise),
    choice: (name, words, otherwise) => {
      const isWord = (x: unknown): x is (typeof words)[number] => words.some((word) => word === x);
      return read(name, `one of ${words.join(', ')}`, isWord, otherwise);
    },
    numbers: (name, otherwise) => read(name, 'a list of numbers', isListOf(isNumber), otherwise),
    texts: (name, otherwise) => read(name, 'a list of texts', isListOf(isText), otherwise),
    object: (name, { optional = false } = {}) => {
      const found = read(name, 'an object', isObject, optional ? {} : undefined);
      return fields(found, placeOf(name));
    },
    objects: (name) =>
      read(name, 'a list of objects', isListOf(isObject), undefined).map((item, i) =>
        fields(item, `${placeOf(name)}[${i}]`),
      ),
    part: (name, ...types) => partOf(fields(read(name, 'an object', isObject, {}), placeOf(name)), types),
  };
}

export interface Naming {
  /** What the names are of; default 'field'. */
  readonly what?: string;
  /** What other libraries call some, and what they are called here. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/** Refuses fields that have none of these names, and says which was perhaps meant. */
export function refuseUnknown(
  { raw, at }: Pick<Fields, 'raw' | 'at'>,
  names: readonly string[],
  { what = 'field', elsewhere = {} }: Naming = {},
): void {
  const unknown = Object.keys(raw).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const known = Object.hasOwn(elsewhere, unknown) ? elsewhere[unknown] : undefined;
  const guess = known !== undefined && names.includes(known) ? known : nearest(unknown, names);
  throw new QuintetError('config', `there is no ${what} "${unknown}"${guess ? `; did you mean "${guess}"?` : ''}`, {
    at,
    hint: `${what}s: ${names.join(', ')}`,
  });
}

function partOf(part: Fields, types: readonly string[]): Fields {
  const field = part.has('_class_name') ? '_class_name' : 'model_type';
  const type = part.text(field, '');
  if (type === '' || types.includes(type)) return part;
  throw new QuintetError('unsupported', `${field} "${type}" is not what this system is built of`, {
    at: part.at,
    hint: `known: ${types.join(', ')}`,
  });
}

function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x);
}
const isNumber = (x: unknown): x is number => typeof x === 'number' && Number.isFinite(x);
const isWhole = (x: unknown): x is number => Number.isSafeInteger(x);
const isCount = (x: unknown): x is number => isWhole(x) && x >= 1;
const mostLayers = 1024;
const isDepth = (x: unknown): x is number => isCount(x) && x <= mostLayers;
const isFlag = (x: unknown): x is boolean => typeof x === 'boolean';
const isText = (x: unknown): x is string => typeof x === 'string';
function isListOf<T>(accepts: (x: unknown) => x is T): (x: unknown) => x is readonly T[] {
  return (x): x is readonly T[] => Array.isArray(x) && x.every(accepts);
}

const mostShown = 60;

/** A value in an error message, whatever it is. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = shownText(value);
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text;
}

/** JSON where there is such; of long texts and lists, and of arrays, no more than can be shown. */
function shownText(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return String(value);
  const start = typeof value === 'string' || Array.isArray(value) ? value.slice(0, mostShown + 1) : value;
  try {
    return JSON.stringify(start, (_, each) => (ArrayBuffer.isView(each) ? nameOf(each) : each)) ?? String(value);
  } catch {
    return nameOf(value); // cyclic, or with a BigInt
  }
}

/** What JavaScript calls a value, such as `[object Float32Array]`. */
const nameOf = (value: unknown): string => Object.prototype.toString.call(value);
