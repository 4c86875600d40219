/** A network with weights on an engine, and the files that belong to it. No file system here. */

import type { FolderFiles, ModelFiles } from '../checkpoint/bytes.js';
import type { Declaration, Params } from '../nn/index.js';
import { defaultEngine, type Engine, type EngineOptions, type SessionOptions } from '../runtime/index.js';
import { declarationsOf, isSystem as isSystemNetwork, type Network, type System } from '../system/index.js';
import { closeOnFailure, QuintetError } from '../tensor/index.js';
import type { KeepSteps } from './cache-steps.js';
import type { Compiler, Packed, PackedModel } from './compile.js';
import type { WeightsOption } from './forms.js';
import type { FrozenIntegers, FrozenUses, Planning } from './packing-plan.js';
import type { LoadedAdapter } from './peft/index.js';
import { checkpointWeights, initialWeights, networkIn } from './weights.js';

export interface Model<N extends Network = Network> extends Compiler {
  readonly network: N;
  /** The network's parameters, without those of adapters. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** The files beside the weights, where the model came from a folder. */
  readonly files?: FolderFiles;
  /** What a .gguf file says about itself: among other things its vocabulary. */
  readonly metadata?: ReadonlyMap<string, unknown>;
  /** The folder, file or address that the model came from. */
  readonly path?: string;
  /** What its scope and weights have for conversations with pictures; those without are answered without it. */
  readonly pictureAdapter?: PictureAdapter;
  /** Its language side in integers, which is all that `sides` build; undefined where it stays as it is. */
  readonly pack?: (model: Model<System>, sides: Planning['sides']) => Promise<PackedModel | undefined>;
  /** How `pack` holds weights. */
  readonly weightsForm?: WeightsOption;
  /** Keeps what the steps of a cache in eight bits are measured to be; absent where caches are in f32. */
  readonly keepSteps?: KeepSteps;
  /** What a training step multiplies with and does not learn, in integers; undefined where it stays as it is. */
  readonly packFrozen?: (model: Model, uses: FrozenUses, integers: FrozenIntegers) => Promise<Packed | undefined>;
  /** Frees the weights. Sessions made of the model are closed by whoever made them. */
  close(): Promise<void>;
}

/** An adapter that a model comes with. */
export interface PictureAdapter extends LoadedAdapter {
  /** The folder of it, beside the weights. */
  readonly name: string;
  /** The model without it. */
  readonly without: Pick<Model, 'adapt' | 'weights' | 'network'>;
}

export interface ModelOptions {
  /** An engine, or which one; default the native one where it loads. */
  readonly engine?: Engine | EngineOptions;
  readonly session?: SessionOptions;
}

/** A network of a recipe with freshly initialised parameters, and without tokenizer. */
export async function initialise<N extends Network>(
  network: N,
  { seed = 0, engine, session = {} }: { readonly seed?: number } & ModelOptions = {},
): Promise<Model<N>> {
  const weights = initialWeights(seed, network.renames?.[0]);
  const base = { engine: await engineOf(engine), session, weights, adapt: (p: Params) => p };
  return { ...base, network, declarations: declarationsOf(network), close: () => weights.close() };
}

/** The model of an opened folder, whose `config.json` names the recipe. The model closes the checkpoint, also on failure. */
export async function modelOf(files: ModelFiles, { engine, session = {} }: ModelOptions = {}): Promise<Model> {
  const { checkpoint, path } = files;
  return closeOnFailure([checkpoint], async () => {
    const { network, declarations } = await networkIn(files);
    const weights = checkpointWeights(network, declarations, checkpoint, path);
    const base = { engine: await engineOf(engine), session, weights, adapt: (p: Params) => p };
    return { ...base, network, declarations, files, metadata: checkpoint.metadata, path, close: () => weights.close() };
  });
}

/** A model that generates text, or an error that says what this one is. */
export function asSystem(model: Model): Model<System> {
  if (isSystem(model)) return model;
  throw new QuintetError('unsupported', `${model.network.name} has no language model`, {
    hint: 'it can be traced, but not chatted with',
  });
}

export function isSystem(model: Model): model is Model<System> {
  return isSystemNetwork(model.network);
}

async function engineOf(engine: Engine | EngineOptions | undefined): Promise<Engine> {
  return engine && 'createSession' in engine ? engine : defaultEngine(engine);
}
