/** Finding a recipe: by its name, or by what a published configuration says. */

import { type AnyRecipe, isSystem, type Network, rewardSystem } from '../system/index.js';
import { type Fields, nearest, QuintetError } from '../tensor/index.js';
import * as all from './all.js';

export * from './all.js';

export const recipes: readonly AnyRecipe[] = Object.values(all);

/** The recipe of that name. */
export function recipeNamed(name: string): AnyRecipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found) return found;
  const guess = nearest(
    name,
    recipes.map((recipe) => recipe.name),
  );
  throw new QuintetError('name', `no recipe is called "${name}"${guess ? `; did you mean "${guess}"?` : ''}`, {
    hint: `recipes: ${recipes.map((recipe) => recipe.name).join(', ')}`,
  });
}

/**
 * The network that a published `config.json` describes, by its `model_type` or, of diffusers, its `_class_name`. `names` are
 * those of the tensors beside it, where they are known.
 */
export function networkOf(config: Fields, names?: Iterable<string>): Network {
  const type = config.text(config.has('_class_name') ? '_class_name' : 'model_type');
  const named = config.texts('architectures', []);
  const fitting = recipes.filter((recipe) => recipe.modelTypes.includes(type));
  const found =
    fitting.find(({ architectures }) => architectures?.some((name) => named.includes(name))) ??
    fitting.find(({ architectures }) => !architectures);
  if (found) return headed(found.fromConfig(config, names), config);
  const known = [...new Set(recipes.flatMap((recipe) => recipe.modelTypes))];
  const guess = nearest(type, known);
  throw new QuintetError(
    'unsupported',
    `no recipe reads model_type "${type}"${guess ? `; the nearest is "${guess}"` : ''}`,
    {
      at: config.at,
      hint: `known: ${known.join(', ')}`,
    },
  );
}

/** A language model that classifies sequences has another head: one class alone is a rating. */
function headed(network: Network, config: Fields): Network {
  const classifies = config.texts('architectures', []).some((name) => name.endsWith('ForSequenceClassification'));
  if (!classifies || !isSystem(network)) return network;
  const classes =
    Object.keys(config.object('id2label', { optional: true }).raw).length || config.whole('num_labels', 2);
  if (classes === 1) return rewardSystem(network);
  throw new QuintetError('unsupported', `it tells ${classes} classes apart; ratings, one class, are read`, {
    at: config.at,
  });
}
