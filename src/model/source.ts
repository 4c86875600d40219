/** Finding a model by what a user calls it: a path, a name on a hub, or the short name of a shipped model. */

import { basename, dirname } from 'node:path';
import { type HubOptions, kindOfPath, partsOfModelName, resolveModel } from '../checkpoint/index.js';
import { recipes } from '../recipes/index.js';
import { nearest, QuintetError } from '../tensor/index.js';
import { shippedModel, wholeFolder } from './shipped.js';

export interface SourceOptions extends HubOptions {
  /** The folder in which shipped models are kept that the package does not hold. */
  readonly models: string;
}

/**
 * The folder or file of a model, downloaded from a hub where it is not there. Recipes, which have no weights, and impossible
 * names are refused before anybody is asked for them.
 */
export async function findModel(source: string, options: SourceOptions): Promise<string> {
  if ((await kindOfPath(source)) !== undefined) return source;
  if (!partsOfModelName(source)) return findShipped(source, options.models);
  try {
    return await resolveModel(source, options);
  } catch (error) {
    const folder = dirname(source);
    const known = error instanceof QuintetError && ['not-found', 'network'].includes(error.code);
    if (!known || (await kindOfPath(folder)) !== 'folder') throw error;
    const hint = `As a path it is not there either: ${folder} has no ${basename(source)}.`;
    throw new QuintetError(error.code, error.message, { hint, cause: error });
  }
}

/** Refuses what names no model anywhere, without bringing any. */
export async function checkModelName(source: string): Promise<void> {
  if ((await kindOfPath(source)) !== undefined || partsOfModelName(source)) return;
  if (!(await shippedModel(source))) throw noModel(source);
}

/** The folder of a shipped model, whatever paths are called so. */
export async function findShipped(name: string, cache: string): Promise<string> {
  const model = await shippedModel(name);
  if (!model) throw noModel(name);
  const folder = await wholeFolder(model, cache);
  if (folder !== undefined) return folder;
  const megabytes = model.files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  throw new QuintetError('not-found', 'not all files of this model came with Quintet', {
    at: name,
    hint: `\`quintet pull ${name}\` brings them (${megabytes.toFixed()} MB), once.`,
  });
}

function noModel(source: string): QuintetError {
  const recipe = recipes.find(({ name }) => name === source.split(':')[0]);
  if (recipe) {
    const such = recipe.published.length === 0 ? '' : `, such as ${recipe.published.join(' or ')}`;
    return new QuintetError('not-found', 'this is a recipe, which has no weights', {
      at: source,
      hint:
        `Name a checkpoint: a folder, a .gguf file or a name on the Hugging Face hub${such}.\n  ` +
        `To train one from nothing: a folder with config.json (model_type ${recipe.modelTypes[0]}) and a tokenizer, with fresh: true.`,
    });
  }
  if (/[\\/]/.test(source)) {
    const hint = 'Names on the Hugging Face hub have the form org/name, or org/name/file.gguf.';
    return new QuintetError('not-found', 'no such file or folder', { at: source, hint });
  }
  const names = recipes.map(({ name }) => name);
  const guess = nearest(source, names);
  return new QuintetError('not-found', 'no such file, folder or recipe, and no name on the hub, as in org/name', {
    at: source,
    hint: guess ? `The nearest recipe is "${guess}".` : `Recipes: ${names.join(', ')}.`,
  });
}
