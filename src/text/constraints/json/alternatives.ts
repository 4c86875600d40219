/** Schemas taken apart: each becomes a few alternatives, of which every one is facts without references and combinations. */

import { QuintetError } from '../../../tensor/index.js';
import { createMachine } from '../machine.js';
import { compile } from '../program.js';
import { textsWithMatch, wholeMatches } from '../regex.js';
import {
  type All,
  anything,
  both,
  type Facts,
  inner,
  isSame,
  readFacts,
  type Schema,
  type Type,
  types,
} from './facts.js';
import { formats } from './formats.js';
import { isEmpty, within as withinRange } from './numbers.js';

export interface Alternatives {
  /** The alternatives of schemas that must all hold; none where that is impossible. */
  of(schemas: All): readonly Facts[];
  /** The values of `enum` that are what else the facts say. */
  valuesOf(facts: Facts): readonly unknown[] | undefined;
}

const mostAlternatives = 256;
/** Schemas that are looked at in all. */
const mostSteps = 100_000;

/** Alternatives of the schemas within `root`. Throws 'constraint' for what cannot be held to. */
export function alternativesOf(root: Schema): Alternatives {
  const places = new Map<object, string>();
  let steps = 0;

  function within(value: unknown, at: string): Schema {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new QuintetError('config', 'expected a schema: an object, true or false', { at });
    }
    places.set(value, at);
    return value as Schema;
  }

  /** `path` are the schemas that led here without a value in between. */
  function expand(schema: Schema, path: readonly Schema[]): readonly Facts[] {
    if (typeof schema === 'boolean') return schema ? [anything] : [];
    const at = places.get(schema) ?? 'schema';
    if (++steps > mostSteps) throw new QuintetError('limit', 'a schema with too many combinations', { at });
    if (path.includes(schema)) throw new QuintetError('constraint', 'a schema refers to itself as a whole', { at });
    const further = [...path, schema];
    const list = (name: string): readonly Schema[] => {
      const written = schema[name] ?? [];
      if (!Array.isArray(written)) throw new QuintetError('config', `${name}: expected a list`, { at });
      return written.map((option, i) => within(option, inner(at, `${name}[${i}]`)));
    };
    const options = (name: string): readonly (readonly Facts[])[] =>
      list(name).map((option) => expand(option, further));
    let found: readonly Facts[] = [readFacts(schema, at, within)];
    const narrow = (more: readonly Facts[]): void => {
      found = product(found, more, at);
    };
    if (schema.$ref !== undefined) narrow(expand(resolve(schema.$ref, at), further));
    for (const facts of options('allOf')) narrow(facts);
    if (schema.anyOf !== undefined) narrow(options('anyOf').flat());
    if (schema.oneOf !== undefined) narrow(exactlyOne(options('oneOf'), at));
    return found;
  }

  function resolve(reference: unknown, at: string): Schema {
    if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference)) {
      throw new QuintetError(
        'constraint',
        `$ref ${JSON.stringify(reference)}: only places within the schema are known`,
        {
          at,
          hint: 'such as "#/$defs/name"',
        },
      );
    }
    let found: unknown = root;
    for (const part of reference.split('/').slice(1)) {
      const name = unescaped(part);
      const isThere = typeof found === 'object' && found !== null && name !== undefined && Object.hasOwn(found, name);
      if (!isThere) throw new QuintetError('config', `$ref "${reference}" leads nowhere`, { at });
      found = (found as Record<string, unknown>)[name];
    }
    return within(found, places.get(found as object) ?? `schema: ${reference}`);
  }

  /** Options of which no two can hold at once are a free choice; of others one could not say that only one does. */
  function exactlyOne(options: readonly (readonly Facts[])[], at: string): readonly Facts[] {
    for (const [i, one] of options.entries()) {
      for (const [j, other] of options.slice(0, i).entries()) {
        if (one.every((a) => other.every((b) => isImpossible(both(a, b), 4)))) continue;
        throw new QuintetError('constraint', `options ${j} and ${i} of oneOf may hold both`, {
          at,
          hint: 'write anyOf, or make them differ in a required property or in their type',
        });
      }
    }
    return options.flat();
  }

  /** Whether no value can be all that the facts say; false where that is not plain to see. */
  function isImpossible(facts: Facts, depth: number): boolean {
    const values = valuesOf(facts);
    if (values !== undefined) return values.length === 0;
    const impossible: Partial<Record<Type, (facts: Facts) => boolean>> = {
      number: ({ range }) => isEmpty(range),
      integer: ({ range }) => isEmpty(range),
      string: ({ length: [min, max] }) => min > max,
      array: ({ items: [min, max] }) => min > max,
      object: ({ properties, additional, required, members: [min, max] }) =>
        min > max ||
        required.size > max ||
        (depth > 0 &&
          [...required].some((name) =>
            of(properties.get(name) ?? additional).every((each) => isImpossible(each, depth - 1)),
          )),
    };
    return [...typesOf(facts)].every((type) => impossible[type]?.(facts) === true);
  }

  function of(schemas: All): readonly Facts[] {
    return schemas.reduce<readonly Facts[]>(
      (found, schema) => product(found, expand(schema, []), 'schema'),
      [anything],
    );
  }

  function valuesOf(facts: Facts): readonly unknown[] | undefined {
    return facts.values?.filter((value) => holds(value, facts, of));
  }

  if (typeof root === 'object') places.set(root, 'schema');
  return { of, valuesOf };
}

/** A part of a JSON pointer (RFC 6901) in a URI; undefined where it is malformed. */
function unescaped(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined;
  }
}

function product(all: readonly Facts[], more: readonly Facts[], at: string): readonly Facts[] {
  if (all.length * more.length > mostAlternatives) {
    throw new QuintetError('limit', `a schema of more than ${mostAlternatives} alternatives at once`, { at });
  }
  // Types that exclude each other are the commonest contradiction.
  return all.flatMap((a) => more.map((b) => both(a, b))).filter((facts) => facts.types?.size !== 0);
}

/** What is said, else what the keywords speak of, else everything. */
export function typesOf({ types: said, spokenOf }: Facts): ReadonlySet<Type> {
  if (said !== undefined) return said;
  return spokenOf.size > 0 ? spokenOf : new Set(types.filter((type) => type !== 'integer'));
}

/** Whether a value is what the facts say, `enum` aside. */
function holds(value: unknown, facts: Facts, of: (schemas: All) => readonly Facts[]): boolean {
  const holdsAll = (inner: unknown, schemas: All): boolean =>
    of(schemas).some((each) => (each.values?.some((one) => isSame(one, inner)) ?? true) && holds(inner, each, of));
  const type = typeOf(value);
  const allowed = facts.types;
  if (allowed && !allowed.has(type) && !(type === 'integer' && allowed.has('number'))) return false;
  if (typeof value === 'number') return withinRange(value, facts.range);
  if (typeof value === 'string') {
    const length = Array.from(value).length;
    if (length < facts.length[0] || length > facts.length[1]) return false;
    const languages = [
      ...facts.patterns.map(textsWithMatch),
      ...facts.formats.map((format) => wholeMatches(formats[format])),
    ];
    return languages.every((language) => {
      const machine = createMachine(compile({ rules: [language] }));
      const step = (state: number, byte: number): number => (state < 0 ? state : machine.step(state, byte));
      const end = new TextEncoder().encode(value).reduce(step, machine.start);
      return end >= 0 && machine.accepts(end);
    });
  }
  if (Array.isArray(value)) {
    const [min, max] = facts.items;
    if (value.length < min || value.length > max) return false;
    return value.every((item, i) => holdsAll(item, facts.prefix[i] ?? facts.rest));
  }
  if (typeof value !== 'object' || value === null) return true;
  const names = Object.keys(value);
  const [min, max] = facts.members;
  if (names.length < min || names.length > max) return false;
  if (![...facts.required].every((name) => names.includes(name))) return false;
  return Object.entries(value).every(([name, member]) =>
    holdsAll(member, facts.properties.get(name) ?? facts.additional),
  );
}

function typeOf(value: unknown): Type {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as Type;
}
