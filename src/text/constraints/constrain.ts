/** Answers of a wanted form: JSON by a schema, texts of a regular expression, or one of some choices, as tokens that may come next. */

import { QuintetError } from '../../tensor/index.js';
import type { Tokenizer } from '../tokenizer.js';
import { jsonGrammar } from './json/schema.js';
import { spacings } from './json/text.js';
import { type Grammar, words } from './language.js';
import { type Constraint, createMasks } from './masks.js';
import { compile } from './program.js';
import { wholeMatches } from './regex.js';
import { vocabularyOf } from './vocabulary.js';

/** What an answer must be, from its first character to its last. */
export type ConstraintSpec =
  | {
      /** A JSON schema: JSON that it holds for, with properties in its order. `true` is any JSON. */
      readonly json: unknown;
      /** Default 'flexible': a space or a line end with indentation between the parts of arrays and objects; or none. */
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
  return createMasks(compile(grammarOf(spec)), vocabularyOf(tokenizer), ends);
}

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
  return { rules: [words(...spec.choices)] };
}
