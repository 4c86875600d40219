/** Answers of a wanted form: JSON by a schema, texts of a regular expression, or one of some choices, as tokens that may come next. */

import { QuintetError, recent } from '../../tensor/index.js';
import type { Tokenizer } from '../tokenizer.js';
import { everything } from './code-points.js';
import { jsonGrammar } from './json/schema.js';
import { spacings } from './json/text.js';
import { type Grammar, words } from './language.js';
import { type Constraint, createMasks, noToken } from './masks.js';
import { compile, type Program } from './program.js';
import { wholeMatches } from './regex.js';
import { type Vocabulary, vocabularyOf } from './vocabulary.js';

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
 * 'constraint' for what answers cannot be held to, 'limit' for what would cost too much, 'config' for a malformed schema.
 */
export function constrain(spec: ConstraintSpec, tokenizer: Tokenizer, ends: readonly number[] = []): () => Constraint {
  const key = keyOf(spec, ends);
  const own = kept.get(tokenizer) ?? new Map<string, () => Constraint>();
  kept.set(tokenizer, own);
  return recent(own, key, { most: mostKept, make: () => make(spec, tokenizer, ends) });
}

/** The constraints of a tokenizer that were asked for last: each holds some megabytes of masks. */
const kept = new WeakMap<Tokenizer, Map<string, () => Constraint>>();
const mostKept = 4;

function keyOf(spec: ConstraintSpec, ends: readonly number[]): string {
  try {
    return JSON.stringify([spec, ends]);
  } catch (error) {
    throw new QuintetError('config', 'the schema cannot be written as JSON', { cause: error });
  }
}

function make(spec: ConstraintSpec, tokenizer: Tokenizer, ends: readonly number[]): () => Constraint {
  const grammar = grammarOf(spec);
  const vocabulary = vocabularyOf(tokenizer);
  // In the alphabet no token leads into a dead end.
  const spellsAll = vocabulary.isAlphabetic;
  const all = compile(grammar);
  const program = spellsAll && vocabulary.alphabet !== everything ? inAlphabet(grammar, vocabulary) : all;
  const begin = createMasks(program, vocabulary, { ends, spellsAll });
  // Whether any token can begin an answer is known now.
  begin().allowed();
  return begin;
}

function inAlphabet(grammar: Grammar, { alphabet }: Vocabulary): Program {
  try {
    return compile(grammar, alphabet);
  } catch (error) {
    // In all characters there are answers.
    if (error instanceof QuintetError && error.code === 'constraint') throw noToken(false);
    throw error;
  }
}

/** Of all choices together. */
const mostCharacters = 2 ** 18;

function grammarOf(spec: ConstraintSpec): Grammar {
  if ('json' in spec) {
    const spacing = spec.spacing ?? 'flexible';
    if (Object.hasOwn(spacings, spacing)) return jsonGrammar(spec.json, spacings[spacing]);
    throw new QuintetError('constraint', `an unknown spacing "${spacing}"`, {
      hint: Object.keys(spacings).join(' or '),
    });
  }
  if ('regex' in spec) return { rules: [wholeMatches(spec.regex)] };
  if (spec.choices.length === 0 || spec.choices.includes('')) {
    throw new QuintetError('constraint', 'choices are one text or more, none of them empty');
  }
  const size = spec.choices.reduce((sum, { length }) => sum + length, 0);
  if (size > mostCharacters)
    throw new QuintetError('limit', `choices of more than ${mostCharacters} characters in all`);
  return { rules: [words(...spec.choices)] };
}
