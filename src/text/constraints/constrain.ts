/** Answers of a wanted form: JSON by a schema, texts of a regular expression, or one of some choices, as tokens that may come next. */

import { atOnce, type InParts, QuintetError, recent, refuseUnknown, show } from '../../tensor/index.js';
import type { Tokenizer } from '../tokenizer.js';
import { everything } from './code-points.js';
import { jsonGrammar } from './json/schema.js';
import { spacings } from './json/text.js';
import { type Grammar, words } from './language.js';
import { type Constraint, createMasks, noToken } from './masks.js';
import { compileInParts, type Program } from './program.js';
import { wholeMatches } from './regex.js';
import { type Vocabulary, vocabularyInParts } from './vocabulary.js';

/** What an answer must be, from its first character to its last. */
export type ConstraintSpec =
  | {
      /** A JSON schema: JSON that it holds for, with properties in its order. `true` is any JSON. */
      readonly json: unknown;
      /** Between the parts of arrays and objects: 'flexible' (default) allows a space, or a new line with indentation. */
      readonly spacing?: keyof typeof spacings;
    }
  /** A regular expression in JavaScript's syntax, which the whole answer matches. */
  | { readonly regex: string }
  /** One of these texts. */
  | { readonly choices: readonly string[] };

/**
 * Begins answers that are held to a constraint, any number at a time. `ends` are the tokens that may follow a whole answer. Throws
 * 'constraint' for what answers cannot be held to, 'limit' for what would cost too much, 'config' for a malformed form or schema.
 */
export const constrain = (...constrained: Parameters<typeof constrainInParts>): (() => Constraint) =>
  atOnce(constrainInParts(...constrained));

/** The same in parts. */
export function* constrainInParts(
  spec: ConstraintSpec,
  tokenizer: Tokenizer,
  ends: readonly number[] = [],
): InParts<() => Constraint> {
  checkSpec(spec);
  const key = keyOf(spec, ends);
  const own = kept.get(tokenizer) ?? new Map<string, () => Constraint>();
  kept.set(tokenizer, own);
  const begin = own.get(key) ?? (yield* make(spec, tokenizer, ends));
  return recent(own, key, { most: mostKept, make: () => begin });
}

/** The constraints of a tokenizer that were asked for last: each holds some megabytes of masks. */
const kept = new WeakMap<Tokenizer, Map<string, () => Constraint>>();
const mostKept = 4;

/** What may stand beside each form. */
const forms: Readonly<Record<string, readonly string[]>> = { json: ['spacing'], regex: [], choices: [] };

/** Throws 'config' at what is no form, or several. */
function checkSpec(spec: unknown): void {
  const refuse = (why: string) => {
    const hint = 'one of { json: schema }, { regex: pattern } and { choices: [text, …] }';
    return new QuintetError('config', why, { at: 'constrain', hint });
  };
  if (typeof spec !== 'object' || spec === null) throw refuse(`expected a form, got ${show(spec)}`);
  const [form, second] = Object.keys(forms).filter((name) => Object.hasOwn(spec, name));
  if (second !== undefined) throw refuse(`an answer has one form, and ${form} and ${second} are given`);
  const names = form === undefined ? Object.keys(forms) : [form, ...(forms[form] ?? [])];
  refuseUnknown({ at: 'constrain', raw: { ...spec } }, names);
  if (form === undefined) throw refuse(`expected a form, got ${show(spec)}`);
  const { regex = '', choices = [], spacing = 'flexible' } = spec as Readonly<Record<string, unknown>>;
  if (typeof regex !== 'string') throw refuse(`regex: expected a text, got ${show(regex)}`);
  if (!Array.isArray(choices) || choices.some((choice) => typeof choice !== 'string')) {
    throw refuse(`choices: expected a list of texts, got ${show(choices)}`);
  }
  if (typeof spacing !== 'string' || !Object.hasOwn(spacings, spacing)) {
    throw refuse(`spacing: expected ${Object.keys(spacings).join(' or ')}, got ${show(spacing)}`);
  }
}

function keyOf(spec: ConstraintSpec, ends: readonly number[]): string {
  try {
    return JSON.stringify([spec, ends]);
  } catch (error) {
    throw new QuintetError('config', 'the schema cannot be written as JSON', { cause: error });
  }
}

function* make(spec: ConstraintSpec, tokenizer: Tokenizer, ends: readonly number[]): InParts<() => Constraint> {
  const grammar = grammarOf(spec);
  yield;
  const vocabulary = yield* vocabularyInParts(tokenizer);
  // In the alphabet no token leads into a dead end.
  const spellsAll = vocabulary.isAlphabetic;
  const narrowed = spellsAll && vocabulary.alphabet !== everything;
  const program = yield* narrowed ? inAlphabet(grammar, vocabulary) : compileInParts(grammar);
  const begin = createMasks(program, vocabulary, { ends, spellsAll });
  // Whether any token can begin an answer is known now.
  const first = begin();
  yield* first.ready();
  first.allowed();
  return begin;
}

function* inAlphabet(grammar: Grammar, { alphabet }: Vocabulary): InParts<Program> {
  try {
    return yield* compileInParts(grammar, alphabet);
  } catch (error) {
    if (!(error instanceof QuintetError && error.code === 'constraint')) throw error;
    // Where not even all characters spell an answer, that is what is told.
    yield* compileInParts(grammar);
    throw noToken(false);
  }
}

/** Of all choices together. */
const mostCharacters = 2 ** 18;

function grammarOf(spec: ConstraintSpec): Grammar {
  if ('json' in spec) return jsonGrammar(spec.json, spacings[spec.spacing ?? 'flexible']);
  if ('regex' in spec) return { rules: [wholeMatches(spec.regex)] };
  if (spec.choices.length === 0 || spec.choices.includes('')) {
    throw new QuintetError('constraint', 'choices are one text or more, none of them empty');
  }
  const size = spec.choices.reduce((sum, { length }) => sum + length, 0);
  if (size > mostCharacters)
    throw new QuintetError('limit', `choices of more than ${mostCharacters} characters in all`);
  return { rules: [words(...spec.choices)] };
}
