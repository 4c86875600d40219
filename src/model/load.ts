/** A network with weights on an engine, and the files that belong to it. */

import {
  type FolderFiles,
  type HubOptions,
  hubOptionsFromEnvironment,
  type ModelFiles,
  openModel,
  readFolderFiles,
  resolveModel,
} from '../checkpoint/index.js';
import type { Declaration, Params } from '../nn/index.js';
import { networkOf } from '../recipes/index.js';
import { defaultEngine, type Engine, type EngineOptions, type SessionOptions } from '../runtime/index.js';
import { declarationsOf, type Network, type System } from '../system/index.js';
import { fields, QuintetError } from '../tensor/index.js';
import type { Compiler } from './compile.js';
import { readAdapter } from './peft.js';
import { checkpointWeights, initialWeights, layeredWeights } from './weights.js';

export interface Model<N extends Network = Network> extends Compiler {
  readonly network: N;
  /** The network's parameters, without those of adapters. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** The files beside the weights, where the model came from a folder. */
  readonly files?: FolderFiles;
  /** What a .gguf file says about itself: among other things its vocabulary. */
  readonly metadata?: ReadonlyMap<string, unknown>;
  /** The folder or file that the model came from. */
  readonly path?: string;
  /** Frees the weights. Sessions made of the model are closed by whoever made them. */
  close(): Promise<void>;
}

export interface LoadOptions {
  /** An engine, or which one; default the native one where it loads. */
  readonly engine?: Engine | EngineOptions;
  readonly session?: SessionOptions;
  /** The folder of a LoRA adapter in PEFT's format. */
  readonly adapter?: string;
  /** Starts from freshly initialised parameters of this seed instead of the folder's weights. */
  readonly fresh?: number;
  /** Where hub models come from and go; default what Hugging Face's environment variables say. */
  readonly hub?: Partial<HubOptions>;
}

/**
 * Loads a model: a folder in the published format, a `.gguf` file, or a hub name such as `org/name`, which is downloaded into
 * Hugging Face's cache where it is not there. `config.json` names the recipe; the weights stay where they are.
 */
export async function load(source: string, options: LoadOptions = {}): Promise<Model> {
  const engine = await engineOf(options.engine);
  const environment = hubOptionsFromEnvironment(globalThis.process?.env ?? {});
  const path = await resolveModel(source, { ...environment, ...options.hub });
  if (options.fresh !== undefined) return freshFolder(path, { ...options, engine }, options.fresh);
  const files = await openModel(path);
  try {
    const network = networkOf(fields(files.config, 'config.json'));
    return await assemble(network, files, { ...options, engine });
  } catch (error) {
    await files.checkpoint.close();
    throw error;
  }
}

/** A network of a recipe with freshly initialised parameters, and without tokenizer. */
export async function initialise<N extends Network>(
  network: N,
  { seed = 0, engine, session = {} }: { seed?: number } & Pick<LoadOptions, 'engine' | 'session'> = {},
): Promise<Model<N>> {
  const weights = initialWeights(seed, network.renames?.[0]);
  const base = { engine: await engineOf(engine), session, weights, adapt: (p: Params) => p };
  return { ...base, network, declarations: declarationsOf(network), close: () => weights.close() };
}

/** A model that generates text, or an error that says what this one is. */
export function asSystem(model: Model): Model<System> {
  if (isSystem(model)) return model;
  throw new QuintetError('unsupported', `${model.network.name} has no language model`, {
    hint: 'it can be traced, but not chatted with',
  });
}

export function isSystem(model: Model): model is Model<System> {
  return 'kind' in model.network && model.network.kind === 'system';
}

type EngineChosen = LoadOptions & { readonly engine: Engine };

async function engineOf(engine: Engine | EngineOptions | undefined): Promise<Engine> {
  return engine && 'createSession' in engine ? engine : defaultEngine(engine);
}

/** A folder's configuration and files without its weights. */
async function freshFolder(path: string, options: EngineChosen, seed: number): Promise<Model> {
  const files = await readFolderFiles(path);
  if (!files.config) throw new QuintetError('not-found', 'no config.json in this folder', { at: path });
  const network = networkOf(fields(files.config, 'config.json'));
  return { ...(await initialise(network, { ...options, seed })), files, path };
}

async function assemble<N extends Network>(network: N, files: ModelFiles, options: EngineChosen): Promise<Model<N>> {
  const { engine, session = {}, adapter: folder } = options;
  const declarations = declarationsOf(network);
  const weights = checkpointWeights(network, declarations, files.checkpoint, files.path);
  const adapter = folder === undefined ? undefined : await readAdapter(folder, network, declarations);
  return {
    network,
    declarations,
    files,
    metadata: files.checkpoint.metadata,
    path: files.path,
    engine,
    session,
    adapt: adapter ? adapter.adapter.adapt : (p) => p,
    weights: adapter ? layeredWeights(weights, adapter.values) : weights,
    close: () => weights.close(),
  };
}
