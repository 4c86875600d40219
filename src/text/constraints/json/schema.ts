/**
 * JSON schemas as grammars: values are written as JSON, properties in the order of the schema. A rule stands for schemas that must
 * all hold, so that a schema that refers to itself becomes a rule that does.
 */
import { parseJson, QuintetError } from '../../../tensor/index.js';
import { everything } from '../code-points.js';
import { intersect } from '../intersection.js';
import {
  choice,
  type Grammar,
  type Language,
  never,
  nothing,
  optional,
  repeat,
  rule,
  sequence,
  set,
  words,
} from '../language.js';
import { tooLarge } from '../program.js';
import { textsWithMatch, wholeMatches } from '../regex.js';
import { type Alternatives, alternativesOf, typesOf } from './alternatives.js';
import type { All, Facts, Schema, Type } from './facts.js';
import { formats } from './formats.js';
import { integers, numbers } from './numbers.js';
import { anyCharacter, literal, otherThan, quoted, type Spacing, withinString } from './text.js';

/** Characters, levels and values of a schema. */
const limits = { size: 2 ** 18, depth: 64, values: 2 ** 15 };
const mostRules = 20_000;

/** Throws 'constraint' for a schema that answers cannot be held to, 'config' for a malformed one, 'limit' for a large one. */
export function jsonGrammar(schema: unknown, spacing: Spacing): Grammar {
  const root = readSchema(schema);
  const alternatives = alternativesOf(root);
  const rules: Language[] = [];
  const add = (language: Language): Language => {
    if (rules.length >= mostRules) throw tooLarge(`of more than ${mostRules} rules`);
    return rule(rules.push(language) - 1);
  };
  const known = new Map<string, Language>();
  const waiting: { readonly schemas: All; readonly number: number }[] = [];
  const numbersOf = new Map<Schema, number>();
  const numberOf = (schema: Schema): number => {
    const number = numbersOf.get(schema) ?? numbersOf.size;
    numbersOf.set(schema, number);
    return number;
  };
  /** The rule of schemas that must all hold. It is written later, so that no depth of schemas is too much. */
  const ruleFor = (schemas: All): Language => {
    const ids = new Set(schemas.filter((schema) => schema !== true).map(numberOf));
    const key = [...ids].sort((a, b) => a - b).join();
    let found = known.get(key);
    if (found === undefined) {
      found = add(never);
      known.set(key, found);
      waiting.push({ schemas, number: rules.length - 1 });
    }
    return found;
  };
  const values: Values = { alternatives, spacing, ruleFor, add, addAll: (make) => addAll(rules, make) };
  ruleFor([root]);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    rules[next.number] = choice(...alternatives.of(next.schemas).map((facts) => writeValue(facts, values)));
  }
  return { rules };
}

function addAll(rules: Language[], make: (first: number) => readonly Language[]): Language {
  const first = rules.length;
  for (const each of make(first)) rules.push(each);
  if (rules.length > mostRules) throw tooLarge(`of more than ${mostRules} rules`);
  return rule(first);
}

/** The schema as plain JSON of bounded size, a copy of its own. */
function readSchema(schema: unknown): Schema {
  let text: string | undefined;
  try {
    text = JSON.stringify(schema);
  } catch (error) {
    throw new QuintetError('config', 'the schema cannot be written as JSON', { at: 'schema', cause: error });
  }
  const root = text === undefined ? undefined : parseJson(text, 'schema', limits);
  if (typeof root === 'boolean' || (typeof root === 'object' && root !== null && !Array.isArray(root)))
    return root as Schema;
  throw new QuintetError('config', 'expected an object, true or false', { at: 'schema' });
}

/** What writing values takes. */
interface Values {
  readonly alternatives: Alternatives;
  readonly spacing: Spacing;
  readonly ruleFor: (schemas: All) => Language;
  /** Adds a rule. */
  readonly add: (language: Language) => Language;
  /** Adds rules that are told the number of their first, which is returned. */
  readonly addAll: (make: (first: number) => readonly Language[]) => Language;
}

const byType: Readonly<Record<Type, (facts: Facts, values: Values) => Language>> = {
  null: () => words('null'),
  boolean: () => words('true', 'false'),
  integer: ({ range }) => integers(range),
  number: ({ range }) => numbers(range),
  string: stringOf,
  array: arrayOf,
  object: objectOf,
};

function writeValue(facts: Facts, values: Values): Language {
  const listed = values.alternatives.valuesOf(facts);
  if (listed === undefined) return choice(...Array.from(typesOf(facts), (type) => byType[type](facts, values)));
  const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null;
  return choice(
    words(...listed.filter(isScalar).map((value) => JSON.stringify(value))),
    ...listed.filter((value) => !isScalar(value)).map((value) => literal(value, values.spacing)),
  );
}

function stringOf({ patterns, formats: named, length: [min, max] }: Facts, { addAll }: Values): Language {
  if (min > max) return never;
  const languages = [...patterns.map(textsWithMatch), ...named.map((name) => wholeMatches(formats[name]))];
  const [only] = languages;
  const isAnyLength = min === 0 && max === Number.POSITIVE_INFINITY;
  if (only === undefined) return quoted(repeat(anyCharacter, min, max));
  if (languages.length === 1 && isAnyLength) return quoted(withinString(only));
  if (!isAnyLength) languages.push(repeat(set(everything), min, max));
  return quoted(addAll((first) => intersect(languages, first).map(withinString)));
}

function arrayOf({ prefix, rest, items: [min, max] }: Facts, { spacing, ruleFor }: Values): Language {
  const { space } = spacing;
  if (min > max) return never;
  const comma = sequence(',', space);
  const one = ruleFor(rest);
  const known = Math.min(prefix.length, max);
  // From the end: what may follow the first `known` items, then one before the other.
  const many = repeat(sequence(comma, one), Math.max(0, min - Math.max(1, known)), max - Math.max(1, known));
  const first = max === 0 ? nothing : sequence(one, many);
  let inside = known > 0 ? (max > known ? many : nothing) : min > 0 ? first : optional(first);
  for (let i = known - 1; i >= 0; i--) {
    const item = sequence(...(i > 0 ? [comma] : []), ruleFor(prefix[i] as All), inside);
    inside = i >= min ? optional(item) : item;
  }
  return sequence('[', space, inside, space, ']');
}

/**
 * Members in order. From each property on, the rest of an object is a rule for each number of members before it, up to the last
 * that makes a difference: where there are none no comma is due, and there may be a least and a most.
 */
function objectOf(facts: Facts, values: Values): Language {
  const { properties, additional, required } = facts;
  const { spacing, ruleFor, add } = values;
  const [min, max] = facts.members;
  if (min > max) return never;
  const others = [...required].filter((name) => !properties.has(name));
  const members = [...properties, ...others.map((name) => [name, additional] as const)];
  checkLeast(facts, members.length, values);
  const comma = sequence(',', spacing.space);
  const end = sequence(spacing.space, '}');
  const names = members.map(([name]) => name);
  const other = add(sequence('"', otherThan(names), ':', spacing.afterColon, ruleFor(additional)));
  /** Behind what has a name here. Other names may be the same, so that only one of them counts towards the least. */
  const last = (count: number): Language => {
    const missing = Math.max(0, min - count);
    if (missing > 1) return never;
    return add(sequence(repeat(sequence(comma, other), missing, Math.max(0, max - count)), end));
  };
  const top = Math.max(1, min, max === Number.POSITIVE_INFINITY ? 0 : max);
  const some = Array.from({ length: Math.max(1, Math.min(members.length, top)) }, (_, i) => last(i + 1));
  const begin = max > 0 && min <= 1 ? [sequence(other, some[0] as Language)] : [];
  let rests = [add(choice(...(min === 0 ? [end] : []), ...begin)), ...some];
  for (const [i, [name, schemas]] of [...members.entries()].reverse()) {
    const member = sequence(JSON.stringify(name), ':', spacing.afterColon, ruleFor(schemas));
    const after = rests;
    rests = after.slice(0, Math.min(i, top) + 1).map((without, count) => {
      const written = sequence(...(count > 0 ? [comma] : []), member, after[Math.min(count + 1, top)] as Language);
      return add(choice(...(count < max ? [written] : []), ...(required.has(name) ? [] : [without])));
    });
  }
  return sequence('{', spacing.space, rests[0] as Language);
}

/** Refuses a least number of members that names written here cannot make up, though others could. */
function checkLeast({ additional, members: [min] }: Facts, named: number, { alternatives }: Values): void {
  if (min <= named + 1 || alternatives.of(additional).length === 0) return;
  throw new QuintetError('constraint', `minProperties ${min}: only ${named} of them have names`, {
    at: 'schema',
    hint: `name at least ${min - 1} in properties: others may be of the same name, and count as one`,
  });
}
