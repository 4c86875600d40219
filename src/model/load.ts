/** Models from folders, files and hubs. */

import { join } from 'node:path';
import { type FolderFiles, hubOptionsFromEnvironment, openModel, readFolderFiles } from '../checkpoint/index.js';
import { networkOf } from '../recipes/index.js';
import { closeOnFailure, fields, QuintetError, refuseUnknown } from '../tensor/index.js';
import { type CacheForm, cacheForms, weightsOptions } from './forms.js';
import { stepsKeeper } from './kept-steps.js';
import { initialise, isSystem, type Model, type ModelOptions, modelOf } from './model.js';
import { type PackingOptions, packFrozen, packWeights } from './packed.js';
import { isOfRewardModel, readAdapter } from './peft/index.js';
import { rewardModel } from './reward-model.js';
import { findModel, type SourceOptions } from './source.js';
import { modelsCache, weightsCache } from './user-cache.js';
import { withAdapter } from './with-adapter.js';

export interface LoadOptions extends ModelOptions, PackingOptions {
  /** How a conversation's keys and values are held; default 'f32'. 'int8' is for the engine `native`. */
  readonly kvCache?: CacheForm;
  /** The folder of an adapter in PEFT's format. */
  readonly adapter?: string;
  /** Starts from freshly initialised parameters of this seed instead of the folder's weights: in f32, without an adapter. */
  readonly fresh?: number;
  /** Where models come from and go that are named; default what Hugging Face's environment variables and `QUINTET_CACHE` say. */
  readonly hub?: Partial<SourceOptions>;
}

const optionNames = Object.keys({
  ...{ engine: true, session: true, weights: true, cache: true, onPacking: true },
  ...{ kvCache: true, adapter: true, fresh: true, hub: true },
} satisfies Record<keyof LoadOptions, true>);

/**
 * Loads a model: a folder in the published format, a `.gguf` file, a hub name such as `org/name`, which is downloaded into
 * Hugging Face's cache where it is not there, or a model that ships with Quintet, `nano` or `smol`. `config.json` names the
 * recipe; the weights stay where they are.
 */
export async function load(source: string, options: LoadOptions = {}): Promise<Model> {
  refuseUnknown({ at: 'load', raw: { ...options } }, optionNames, { what: 'option' });
  checkForm('weights', options.weights, weightsOptions);
  checkForm('kvCache', options.kvCache, cacheForms);
  const named = { ...hubOptionsFromEnvironment(process.env), models: modelsCache(process.env) };
  const path = await findModel(source, { ...named, ...options.hub });
  if (options.fresh !== undefined) return freshFolder(path, options, options.fresh);
  const { weights, cache = weightsCache(process.env), onPacking, kvCache } = options;
  const opened = await modelOf(await openModel(path), options);
  const packing = { cache, ...(weights ? { weights } : {}), ...(onPacking ? { onPacking } : {}) };
  const base: Model = {
    ...opened,
    pack: (system, sides) => packWeights(system, sides, packing),
    packFrozen: (own, uses, integers) => packFrozen(own, uses, integers, packing),
    weightsForm: weights ?? 'auto',
    ...(kvCache === 'int8' ? { keepSteps: stepsKeeper(cache) } : {}),
  };
  return closeOnFailure([base], () => adapted(base, options.adapter));
}

/** Refuses what types refuse, for callers that have none: what is misspelt would be held in some other way. */
function checkForm(option: string, form: string | undefined, forms: readonly string[]): void {
  if (form === undefined || forms.includes(form)) return;
  throw new QuintetError('config', `${option}: expected ${forms.join(', ')}, got ${form}`);
}

/** The folder of the adapter that a model's `config.json` names for conversations with pictures. */
export function pictureAdapterIn(files: Pick<FolderFiles, 'config'> | undefined): string | undefined {
  const config = fields(files?.config ?? {}, 'config.json');
  if (!config.has('picture_adapter')) return undefined;
  const name = config.text('picture_adapter');
  if (!/^\w[\w-]*$/.test(name)) throw config.wrong('picture_adapter', 'the name of a folder beside it');
  return name;
}

/** A folder's configuration and files without its weights. */
async function freshFolder(path: string, options: LoadOptions, seed: number): Promise<Model> {
  const { weights = 'auto', kvCache = 'f32', adapter } = options;
  const packed = !['auto', 'f32'].includes(weights);
  const unmet = adapter !== undefined ? 'adapter' : packed ? 'weights' : kvCache !== 'f32' ? 'kvCache' : undefined;
  if (unmet !== undefined) {
    throw new QuintetError('config', `${unmet}: fresh parameters are in f32 and alone, not with ${options[unmet]}`, {
      at: path,
      hint: 'save the model, and load what was saved',
    });
  }
  const files = await readFolderFiles(path);
  if (!files.config) throw new QuintetError('not-found', 'no config.json in this folder', { at: path });
  const network = networkOf(fields(files.config, 'config.json'));
  return { ...(await initialise(network, { ...options, seed })), files, path };
}

/** The model that the adapter in a folder is over: with a head that rates where the adapter is a reward model's. */
export async function underAdapter(base: Model, folder: string): Promise<Model> {
  return isSystem(base) && (await isOfRewardModel(folder)) ? rewardModel(base) : base;
}

/** A model with the adapter that it comes with, or with the one in `given`, which is then for pictures where that one is. */
async function adapted(base: Model, given: string | undefined): Promise<Model> {
  const own = pictureAdapterIn(base.files);
  const folder = given ?? (own === undefined || base.path === undefined ? undefined : join(base.path, own));
  if (folder === undefined) return base;
  const model = await underAdapter(base, folder);
  const loaded = await readAdapter(folder, model.network, model.declarations);
  if (own === undefined) return withAdapter(model, loaded);
  return withAdapter({ ...model, pictureAdapter: { ...loaded, name: own, without: model } }, loaded);
}
