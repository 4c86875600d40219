/** The stage of the model's recipe that a run file's stage goes by. */

import type { Stage } from '../../system/index.js';
import { type Fields, nearest, QuintetError } from '../../tensor/index.js';
import { asksForAdapter } from './adapter.js';

/** What a recipe's stage would give, and what a stage must say itself without one. */
const needed = ['train', 'optimizer', 'batch'];

/**
 * The recipe's own stage of that name; undefined where it has none. Then the stage must say everything itself, and one that
 * does not has a name that is misspelt, or too little in it.
 */
export function ownStage(stage: Fields, name: string, own: readonly Stage[]): Stage | undefined {
  const base = own.find((other) => other.name === name);
  const missing = needed.filter((field) => !stage.has(field) && !(field === 'train' && asksForAdapter(stage)));
  if (base || missing.length === 0) return base;
  const names = own.map((other) => other.name);
  const guess = nearest(name, names);
  const known = names.length === 0 ? 'none' : names.join(', ');
  throw new QuintetError('config', `the recipe has no stage "${name}"${guess ? `; did you mean "${guess}"?` : ''}`, {
    at: `${stage.at}.name`,
    hint: `stages of the recipe: ${known}; one of your own needs ${missing.join(', ')} too`,
  });
}
