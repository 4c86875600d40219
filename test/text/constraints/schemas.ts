/** Random JSON schemas, and values that are mostly what they say. */
import type { Random } from '../../../src/tensor/index.js';
import { pick } from './tokenizers.js';

type Json = Record<string, unknown>;
const names = ['a', 'name', 'né', 'x"y', 'ab', 'n', '🎉'];
const texts = [
  '',
  'a',
  'ab',
  'yes',
  'no "quotes"',
  'tab\there',
  'Grüße 世界 🎉',
  '12',
  'back\\slash',
  'line\nend',
  '\u0001',
];
const patterns = ['^[a-z]+$', 'es', '^(ab|c)*$', '\\d{2}', '^.{1,3}$', '[^a-m"]', '^$|^n'];
const numbers = [0, 1, -1, 7, 12, 100, -35, 0.5, -2.75, 3.14, 1000000, 0.001, 99.9];

/** A schema of at most `depth` further levels. */
export function randomSchema(random: Random, depth: number): Json | boolean {
  const kinds = depth > 0 ? [...scalars, ...composites] : scalars;
  return pick(random, kinds)(random, depth - 1);
}

const maybe = (random: Random, part: number, make: () => Json): Json => (random.uniform() < part ? make() : {});
const ordered = (random: Random, list: readonly number[]): readonly [number, number] => {
  const [a, b] = [pick(random, list), pick(random, list)];
  return a < b ? [a, b] : [b, a];
};

type Make = (random: Random, depth: number) => Json | boolean;

const scalars: readonly Make[] = [
  () => ({ type: 'boolean' }),
  () => ({ type: 'null' }),
  (random) => {
    const [low, high] = ordered(random, numbers);
    return {
      type: pick(random, ['integer', 'number']),
      ...maybe(random, 0.4, () => ({ [pick(random, ['minimum', 'exclusiveMinimum'])]: low })),
      ...maybe(random, 0.4, () => ({ [pick(random, ['maximum', 'exclusiveMaximum'])]: high + 2 })),
    };
  },
  (random) => ({
    type: 'string',
    ...maybe(random, 0.3, () => ({ minLength: random.integer(3) })),
    ...maybe(random, 0.4, () => ({ maxLength: 3 + random.integer(12) })),
    ...maybe(random, 0.3, () => ({ pattern: pick(random, patterns) })),
  }),
  (random) => ({ enum: [pick(random, texts), pick(random, numbers), pick(random, [null, true, [1, 'a'], { a: 1 }])] }),
  (random) => ({ const: pick(random, [...texts, ...numbers]) }),
  (random) => ({ type: ['string', 'null'], ...maybe(random, 0.5, () => ({ maxLength: 4 })) }),
  () => true,
];

const composites: readonly Make[] = [
  (random, depth) => {
    const own = names.filter(() => random.uniform() < 0.5);
    const isClosed = random.uniform() < 0.4;
    return {
      type: 'object',
      // Of names that are not written here only one counts.
      ...maybe(random, 0.3, () => ({ minProperties: random.integer(isClosed ? own.length + 1 : 2) })),
      ...maybe(random, 0.3, () => ({ maxProperties: random.integer(own.length + 2) })),
      properties: Object.fromEntries(own.map((name) => [name, randomSchema(random, depth)])),
      required: own.filter(() => random.uniform() < 0.5),
      ...maybe(random, isClosed ? 1 : 0.3, () => ({
        additionalProperties: isClosed ? false : randomSchema(random, depth),
      })),
    };
  },
  (random, depth) => ({
    type: 'array',
    ...maybe(random, 0.8, () => ({ items: randomSchema(random, depth) })),
    ...maybe(random, 0.3, () => ({ prefixItems: [randomSchema(random, depth), randomSchema(random, depth)] })),
    ...maybe(random, 0.4, () => ({ minItems: random.integer(3) })),
    ...maybe(random, 0.5, () => ({ maxItems: 2 + random.integer(3) })),
  }),
  (random, depth) => ({ anyOf: [randomSchema(random, depth), randomSchema(random, depth)] }),
  (random, depth) => ({ allOf: [randomSchema(random, depth), randomSchema(random, 0)] }),
  (random, depth) => ({
    type: 'object',
    properties: { a: randomSchema(random, depth), name: randomSchema(random, 0) },
    anyOf: [{ required: ['a'] }, { required: ['name'] }],
    additionalProperties: false,
  }),
];

/** A value that often is what a schema says, with keys in its order. */
export function randomValue(random: Random, schema: unknown, depth = 3): unknown {
  if (typeof schema !== 'object' || schema === null || random.uniform() < 0.05) return anyValue(random, depth);
  const s = schema as Json;
  if (Array.isArray(s.enum)) return pick(random, s.enum);
  if ('const' in s) return s.const;
  const options = (s.anyOf ?? s.allOf) as unknown[] | undefined;
  if (options && s.type === undefined) return randomValue(random, pick(random, options), depth);
  const type = Array.isArray(s.type) ? pick(random, s.type) : s.type;
  if (type === 'null') return null;
  if (type === 'boolean') return random.uniform() < 0.5;
  if (type === 'integer') return Math.trunc(pick(random, numbers)) + random.integer(3);
  if (type === 'number') return pick(random, numbers);
  if (type === 'string') return pick(random, texts);
  if (type === 'array') {
    const prefix = (s.prefixItems ?? []) as unknown[];
    return Array.from({ length: random.integer(5) }, (_, i) => randomValue(random, prefix[i] ?? s.items, depth - 1));
  }
  if (type !== 'object') return anyValue(random, depth);
  const properties = (s.properties ?? {}) as Json;
  const required = (s.required ?? []) as string[];
  const own = Object.keys(properties).filter((name) => required.includes(name) || random.uniform() < 0.5);
  const entries = own.map((name) => [name, randomValue(random, properties[name], depth - 1)] as const);
  if (random.uniform() < 0.2) entries.push(['other', anyValue(random, 1)]);
  return Object.fromEntries(entries);
}

function anyValue(random: Random, depth: number): unknown {
  const scalar = pick(random, [...texts, ...numbers, null, true, false]);
  if (depth <= 0 || random.uniform() < 0.7) return scalar;
  return random.uniform() < 0.5 ? [scalar, anyValue(random, depth - 1)] : { [pick(random, names)]: scalar };
}
