/** A network with weights on an engine, and the files that belong to it. */

import { type FolderFiles, type ModelFiles, openModelFolder } from '../checkpoint/index.js';
import type { Params } from '../nn/index.js';
import { networkOf } from '../recipes/index.js';
import type { Engine, SessionOptions } from '../runtime/engine.js';
import { declarationsOf, type Network } from '../system/index.js';
import { fields } from '../tensor/index.js';
import type { Compiler } from './compile.js';
import { checkpointWeights } from './weights.js';

export interface Model<N extends Network = Network> extends Compiler {
  readonly network: N;
  /** The files beside the weights, where the model was loaded from a folder. */
  readonly files?: FolderFiles;
  /** Frees the weights; sessions made of the model are closed by whoever made them. */
  close(): Promise<void>;
}

export interface LoadOptions {
  readonly engine: Engine;
  readonly session?: SessionOptions;
  readonly adapt?: (p: Params) => Params;
}

/** Opens the published checkpoint in a folder: `config.json` names the recipe, the weights stay where they are. */
export async function loadFolder(folder: string, options: LoadOptions): Promise<Model> {
  const files = await openModelFolder(folder);
  try {
    return modelOf(networkOf(fields(files.config, 'config.json')), files, options);
  } catch (error) {
    await files.checkpoint.close();
    throw error;
  }
}

/** A network whose weights are in an opened folder. */
export function modelOf<N extends Network>(network: N, files: ModelFiles, options: LoadOptions): Model<N> {
  const { engine, session = {}, adapt = (p) => p } = options;
  const weights = checkpointWeights(network, declarationsOf(network), files.checkpoint, files.path);
  return { network, files, engine, session, adapt, weights, close: () => weights.close() };
}
