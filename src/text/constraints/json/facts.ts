/**
 * What one JSON schema says by its own keywords, and what two say together (JSON Schema draft 2020-12, validation). Schemas
 * within are kept as lists that must all hold.
 */
import { type Fields, fields, nearest, QuintetError } from '../../../tensor/index.js';
import { formats } from './formats.js';
import type { Bound, Range } from './numbers.js';

export type Schema = boolean | Readonly<Record<string, unknown>>;
/** Schemas that must all hold; none for anything. */
export type All = readonly Schema[];

export const types = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
export type Type = (typeof types)[number];

export interface Facts {
  /** Undefined where nothing is said. Where numbers may be, integers are not listed. */
  readonly types: ReadonlySet<Type> | undefined;
  /** Types that keywords speak of: what a schema without `type` is meant for. */
  readonly spokenOf: ReadonlySet<Type>;
  /** Of `enum` and `const`. */
  readonly values: readonly unknown[] | undefined;
  /** Patterns that are found somewhere, and formats of the whole. */
  readonly patterns: readonly string[];
  readonly formats: readonly (keyof typeof formats)[];
  readonly length: readonly [min: number, max: number];
  readonly range: Range;
  readonly prefix: readonly All[];
  readonly rest: All;
  readonly items: readonly [min: number, max: number];
  readonly properties: ReadonlyMap<string, All>;
  readonly additional: All;
  readonly required: ReadonlySet<string>;
  readonly members: readonly [min: number, max: number];
}

export const anything: Facts = {
  types: undefined,
  spokenOf: new Set(),
  values: undefined,
  patterns: [],
  formats: [],
  length: [0, Number.POSITIVE_INFINITY],
  range: {},
  prefix: [],
  rest: [],
  items: [0, Number.POSITIVE_INFINITY],
  properties: new Map(),
  additional: [],
  required: new Set(),
  members: [0, Number.POSITIVE_INFINITY],
};

/** Keywords that say something about values, and the type that each speaks of. */
const keywords: Readonly<Record<string, Type | undefined>> = {
  ...{ type: undefined, enum: undefined, const: undefined, nullable: undefined },
  ...{ anyOf: undefined, oneOf: undefined, allOf: undefined, $ref: undefined },
  ...{ pattern: 'string', format: 'string', minLength: 'string', maxLength: 'string' },
  ...{ minimum: 'number', maximum: 'number', exclusiveMinimum: 'number', exclusiveMaximum: 'number' },
  ...{ prefixItems: 'array', items: 'array', minItems: 'array', maxItems: 'array' },
  ...{ properties: 'object', additionalProperties: 'object', required: 'object' },
  ...{ minProperties: 'object', maxProperties: 'object' },
};

/** Keywords that say nothing about values. Names that begin with `x-` do not either. */
const annotations = [
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'example', 'examples'],
  ...['deprecated', 'readOnly', 'writeOnly', 'discriminator', 'contentMediaType', 'contentEncoding'],
];

/** Keywords of the draft that are in no table above: nobody has misspelt them. */
const unsupportedKeywords = [
  ...['uniqueItems', 'contains', 'minContains', 'maxContains', 'unevaluatedItems', 'multipleOf', 'not'],
  ...['propertyNames', 'dependentRequired', 'dependentSchemas', 'dependencies', 'unevaluatedProperties'],
  ...['if', 'then', 'else', 'additionalItems', 'contentSchema', '$anchor', '$dynamicRef', '$dynamicAnchor'],
];

/** Gives a schema within another its place for messages, and refuses what is none. */
export type Within = (value: unknown, at: string) => Schema;

/** The place of something within a schema. */
export const inner = (at: string, name: string): string => (at.includes(': ') ? `${at}.${name}` : `${at}: ${name}`);

/** What a schema says without `$ref`, `anyOf`, `oneOf` and `allOf`. */
export function readFacts(schema: Readonly<Record<string, unknown>>, at: string, within: Within): Facts {
  const own = fields(schema, at);
  const known = Object.keys(schema).filter((name) => !annotations.includes(name) && !name.startsWith('x-'));
  for (const name of known) if (!Object.hasOwn(keywords, name)) throw unsupported(`"${name}"`, name, own);
  const spoken = known.flatMap((name) => keywords[name] ?? []);
  return {
    types: readTypes(own),
    spokenOf: new Set(spoken),
    values: readValues(own),
    patterns: own.has('pattern') ? [own.text('pattern')] : [],
    formats: own.has('format') ? [readFormat(own)] : [],
    length: readSpan(own, 'minLength', 'maxLength'),
    range: readRange(own),
    ...readItems(own, within),
    ...readProperties(own, within),
  };
}

function unsupported(what: string, name: string, { at }: Fields): QuintetError {
  const guess = unsupportedKeywords.includes(name) ? undefined : nearest(name, Object.keys(keywords));
  return new QuintetError('constraint', `answers cannot be held to ${what}`, {
    at,
    hint: guess ? `did you mean "${guess}"?` : `supported are ${Object.keys(keywords).join(', ')}`,
  });
}

function readTypes(own: Fields): ReadonlySet<Type> | undefined {
  if (!own.has('type')) return undefined;
  const named = Array.isArray(own.raw.type)
    ? own.texts('type').map((name) => fields({ type: name }, own.at).choice('type', types))
    : [own.choice('type', types)];
  const found = new Set(own.flag('nullable', false) ? [...named, 'null' as const] : named);
  if (found.has('number')) found.delete('integer');
  return found;
}

function readValues(own: Fields): readonly unknown[] | undefined {
  const values = listedValues(own);
  const inexact = values?.find(holdsInexact);
  if (inexact === undefined) return values;
  throw new QuintetError('constraint', `${JSON.stringify(inexact)} may not be the number that was written`, {
    at: own.at,
    hint: `JSON.parse holds whole numbers exactly up to ${Number.MAX_SAFE_INTEGER}: a string with a pattern has any`,
  });
}

/** Whether a value has a whole number in it that may have been written as another. */
function holdsInexact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsInexact);
}

function listedValues({ raw, at }: Fields): readonly unknown[] | undefined {
  const constant = Object.hasOwn(raw, 'const') ? [raw.const] : undefined;
  if (!Object.hasOwn(raw, 'enum')) return constant;
  if (!Array.isArray(raw.enum)) throw new QuintetError('config', 'enum: expected a list', { at });
  return constant ? raw.enum.filter((value) => isSame(value, raw.const)) : raw.enum;
}

function readFormat(own: Fields): keyof typeof formats {
  const name = own.text('format');
  if (Object.hasOwn(formats, name)) return name as keyof typeof formats;
  throw new QuintetError('constraint', `answers cannot be held to the format "${name}"`, {
    at: own.at,
    hint: `supported are ${Object.keys(formats).join(', ')}; a pattern can say the rest`,
  });
}

function readSpan(own: Fields, least: string, most: string): readonly [number, number] {
  const [min, max] = [own.whole(least, 0), own.has(most) ? own.whole(most) : Number.POSITIVE_INFINITY];
  if (min < 0 || max < 0) throw new QuintetError('config', `${least} and ${most} are not negative`, { at: own.at });
  const limit = 2 ** 20;
  if (min <= limit && (max <= limit || max === Number.POSITIVE_INFINITY)) return [min, max];
  throw new QuintetError('limit', `${least} or ${most} above ${limit}`, { at: own.at });
}

function readRange(own: Fields): Range {
  const bound = (name: string, strict: boolean): Bound | undefined =>
    own.has(name) ? { value: own.number(name), strict } : undefined;
  return {
    lower: tighter(bound('minimum', false), bound('exclusiveMinimum', true), 1),
    upper: tighter(bound('maximum', false), bound('exclusiveMaximum', true), -1),
  };
}

function readItems(own: Fields, within: Within): Pick<Facts, 'prefix' | 'rest' | 'items'> {
  if (Array.isArray(own.raw.items)) {
    throw new QuintetError('constraint', 'items is a list', { at: own.at, hint: 'write prefixItems instead' });
  }
  const written = own.raw.prefixItems ?? [];
  if (!Array.isArray(written)) throw new QuintetError('config', 'prefixItems: expected a list', { at: own.at });
  return {
    prefix: written.map((item, i) => [within(item, inner(own.at, `prefixItems[${i}]`))]),
    rest: own.raw.items === undefined ? [] : [within(own.raw.items, inner(own.at, 'items'))],
    items: readSpan(own, 'minItems', 'maxItems'),
  };
}

function readProperties(
  own: Fields,
  within: Within,
): Pick<Facts, 'properties' | 'additional' | 'required' | 'members'> {
  const { raw } = own.object('properties', { optional: true });
  const others = own.raw.additionalProperties;
  return {
    properties: new Map(
      Object.keys(raw).map((name) => [name, [within(raw[name], inner(own.at, `properties.${name}`))]] as const),
    ),
    additional: others === undefined ? [] : [within(others, inner(own.at, 'additionalProperties'))],
    required: new Set(own.texts('required', [])),
    members: readSpan(own, 'minProperties', 'maxProperties'),
  };
}

/** What holds where both do. */
export function both(a: Facts, b: Facts): Facts {
  const prefix = Array.from({ length: Math.max(a.prefix.length, b.prefix.length) }, (_, i) => [
    ...(a.prefix[i] ?? a.rest),
    ...(b.prefix[i] ?? b.rest),
  ]);
  const names = [...a.properties.keys(), ...b.properties.keys()];
  return {
    types: a.types && b.types ? commonTypes(a.types, b.types) : (a.types ?? b.types),
    spokenOf: new Set([...a.spokenOf, ...b.spokenOf]),
    values: a.values && b.values ? commonValues(a.values, b.values) : (a.values ?? b.values),
    patterns: [...new Set([...a.patterns, ...b.patterns])],
    formats: [...new Set([...a.formats, ...b.formats])],
    length: [Math.max(a.length[0], b.length[0]), Math.min(a.length[1], b.length[1])],
    range: {
      lower: tighter(a.range.lower, b.range.lower, 1),
      upper: tighter(a.range.upper, b.range.upper, -1),
    },
    prefix,
    rest: [...a.rest, ...b.rest],
    items: [Math.max(a.items[0], b.items[0]), Math.min(a.items[1], b.items[1])],
    properties: new Map(
      names.map((name) => [
        name,
        [...(a.properties.get(name) ?? a.additional), ...(b.properties.get(name) ?? b.additional)],
      ]),
    ),
    additional: [...a.additional, ...b.additional],
    required: new Set([...a.required, ...b.required]),
    members: [Math.max(a.members[0], b.members[0]), Math.min(a.members[1], b.members[1])],
  };
}

/** The bound that leaves less, of lower ones by `direction` 1. */
function tighter(a: Bound | undefined, b: Bound | undefined, direction: 1 | -1): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.value === b.value) return a.strict ? a : b;
  return (a.value - b.value) * direction > 0 ? a : b;
}

function commonTypes(a: ReadonlySet<Type>, b: ReadonlySet<Type>): ReadonlySet<Type> {
  const has = (set: ReadonlySet<Type>, type: Type): boolean =>
    set.has(type) || (type === 'integer' && set.has('number'));
  return new Set([...a, ...b].filter((type) => has(a, type) && has(b, type)));
}

/** Quick where both are long lists. */
function commonValues(a: readonly unknown[], b: readonly unknown[]): readonly unknown[] {
  const texts = new Set(b.map(canonical));
  return a.filter((value) => texts.has(canonical(value)));
}

export const isSame = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** Equal values, whatever the order of their keys, have equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}
