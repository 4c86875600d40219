/** The systems of the literature, a line each. */

import type { AnyRecipe, Network } from '../system/index.js';
import { type Fields, nearest, QuintetError } from '../tensor/index.js';
import { blip2 } from './blip-2.js';
import { clip, clipTextAlone, clipVisionAlone } from './clip.js';
import { idefics3 } from './idefics3.js';
import { janus } from './janus.js';
import { llama } from './llama.js';
import { llava15 } from './llava-1.5.js';
import { nano } from './nano.js';
import { opt } from './opt.js';
import { siglip, siglipVisionAlone } from './siglip.js';
import { stableDiffusion } from './stable-diffusion.js';
import { pictureAutoencoder, vqgan } from './vqgan.js';

export {
  blip2,
  clip,
  clipTextAlone,
  clipVisionAlone,
  idefics3,
  janus,
  llama,
  llava15,
  nano,
  opt,
  pictureAutoencoder,
  siglip,
  siglipVisionAlone,
  stableDiffusion,
  vqgan,
};

export const recipes: readonly AnyRecipe[] = [
  blip2,
  idefics3,
  janus,
  opt,
  clip,
  clipTextAlone,
  clipVisionAlone,
  llama,
  llava15,
  nano,
  siglip,
  siglipVisionAlone,
  stableDiffusion,
  pictureAutoencoder,
  vqgan,
];

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

/** The network that a published `config.json` describes, by its `model_type` or, of diffusers, its `_class_name`. */
export function networkOf(config: Fields): Network {
  const type = config.text(config.has('_class_name') ? '_class_name' : 'model_type');
  const found = recipes.find((recipe) => recipe.modelTypes.includes(type));
  if (found) return found.fromConfig(config);
  const known = recipes.flatMap((recipe) => recipe.modelTypes);
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
