/** A diffusers folder: `model_index.json` and one subfolder a component. */

import { join } from 'node:path';
import { closeAll, closeOnFailure, fields, QuintetError } from '../tensor/index.js';
import type { Checkpoint, JsonObject } from './checkpoint.js';
import { kindOfPath, readJson } from './file.js';
import type { FolderFiles, ModelFiles } from './folder-files.js';
import { joinCheckpoints } from './joined.js';
import { openModelFolder, readFolderFiles } from './model-folder.js';
import { hasWeights, openCheckpoint } from './open.js';

export interface PipelineComponent extends FolderFiles {
  readonly name: string;
  /** `diffusers` or `transformers`. */
  readonly library: string;
  /** The Python class, which names the architecture. */
  readonly className: string;
  /** Undefined where the component has no weights: a scheduler, a tokenizer. */
  readonly checkpoint: Checkpoint | undefined;
}

export interface PipelineFolder {
  readonly className: string;
  readonly components: ReadonlyMap<string, PipelineComponent>;
  /** What `model_index.json` says besides components, such as `force_zeros_for_empty_prompt`. */
  readonly options: JsonObject;
  /** Closes the checkpoints of all components. */
  close(): Promise<void>;
}

/** Opens every component that `model_index.json` names; those that are left out on purpose (`[null, null]`) are not there. */
export async function openPipelineFolder(folder: string): Promise<PipelineFolder> {
  const file = join(folder, 'model_index.json');
  const index = fields(await readJson(file), 'model_index.json');
  const className = index.text('_class_name');
  const components = new Map<string, PipelineComponent>();
  const options: Record<string, unknown> = {};
  const close = (): Promise<void> => closeAll(...[...components.values()].map(({ checkpoint }) => checkpoint));
  return closeOnFailure([{ close }], async () => {
    for (const [name, value] of Object.entries(index.raw)) {
      if (name.startsWith('_')) continue;
      if (!isComponent(value)) options[name] = value;
      else if (value[0] !== null) components.set(name, await openComponent(folder, name, value as [string, string]));
    }
    return { className, components, options, close };
  });
}

/** The name of a folder in this one, and of nothing outside. */
export const isComponentName = (name: string): boolean => /^[A-Za-z]\w*$/.test(name);

function isComponent(value: unknown): value is [string, string] | [null, null] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  return value.every((item) => typeof item === 'string') || value.every((item) => item === null);
}

async function openComponent(
  pipeline: string,
  name: string,
  [library, className]: [string, string],
): Promise<PipelineComponent> {
  const folder = join(pipeline, name);
  if (!isComponentName(name)) {
    throw new QuintetError('format', `"${name.slice(0, 80)}" is no component`, { at: `${pipeline}: model_index.json` });
  }
  if ((await kindOfPath(folder)) !== 'folder') {
    throw new QuintetError('not-found', `the folder of the component "${name}" (${className}) is missing`, {
      at: folder,
    });
  }
  const files = await readFolderFiles(folder);
  const checkpoint = (await hasWeights(folder)) ? await openCheckpoint(folder) : undefined;
  return { ...files, name, library, className, checkpoint };
}

/** Opens a model's folder or file, or a pipeline's folder as one model. The caller closes `checkpoint`. */
export async function openModel(path: string): Promise<ModelFiles> {
  const isPipeline = (await kindOfPath(join(path, 'model_index.json'))) === 'file';
  return isPipeline ? openPipelineModel(path) : openModelFolder(path);
}

/**
 * A pipeline as one model: `config` holds each component's under its name, with the pipeline's class as `model_type`, and
 * each tensor's name begins with its component's. The tokenizer's files are the model's.
 */
async function openPipelineModel(folder: string): Promise<ModelFiles> {
  const pipeline = await openPipelineFolder(folder);
  return closeOnFailure([pipeline], async () => {
    const components = [...pipeline.components.values()];
    const configs = Object.fromEntries(components.map(({ name, config }) => [name, config]));
    const tokenizer = pipeline.components.get('tokenizer') ?? (await readFolderFiles(folder));
    return {
      ...tokenizer,
      config: { ...pipeline.options, ...configs, model_type: pipeline.className },
      path: folder,
      checkpoint: joinCheckpoints(weightsOf(pipeline), pipeline.className),
    };
  });
}

function weightsOf({ components }: PipelineFolder): ReadonlyMap<string, Checkpoint> {
  return new Map([...components.values()].flatMap(({ name, checkpoint }) => (checkpoint ? [[name, checkpoint]] : [])));
}
