/** Writing a model so that transformers, and Quintet, load it again. */

import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  adapterConfigFile,
  adapterValuesFile,
  innerFolders,
  type LazyTensor,
  makeFolder,
  partsFile,
  saveCheckpoint,
  writeAtomically,
} from '../checkpoint/index.js';
import type { Declaration } from '../nn/index.js';
import { isLatentDiffusion } from '../system/index.js';
import { castArray, type DType, type HostArray, QuintetError } from '../tensor/index.js';
import { changedJson } from './config-text.js';
import { writeGenerationConfig } from './generation-file.js';
import { type Merging, merged } from './merge.js';
import type { Model } from './model.js';
import { headInConfig } from './reward-model.js';
import { savePipeline } from './save-pipeline.js';
import { layeredWeights } from './weights.js';

export interface SaveOptions {
  /** Parameters that have other values than the model's weights, by the network's names. */
  readonly values?: Readonly<Record<string, HostArray>>;
  /** An adapter that is merged into the weights; with its values, which go before. */
  readonly merge?: Merging;
  /** Default f32. */
  readonly dtype?: Extract<DType, 'f32' | 'f16' | 'bf16'>;
  /** Largest size of one file; default 5 GB. */
  readonly maxShardBytes?: number;
}

const torchNames = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;

/**
 * Writes `model.safetensors` (or shards) under the published names, and the files that the model came with; of latent diffusion
 * the folders of a pipeline.
 */
export async function saveModel(model: Model, folder: string, options: SaveOptions = {}): Promise<void> {
  const { values = {}, merge, dtype = 'f32', maxShardBytes } = options;
  const source = folderOf(model);
  await makeFolder(folder);
  const weights = layeredWeights(model.weights, new Map(Object.entries(values)));
  const read = merge ? merged({ ...model, weights }, merge) : weights.read;
  const finalValue = async (declaration: Declaration): Promise<HostArray> => castArray(await read(declaration), dtype);
  const tensors = [...model.declarations.values()].map((declaration): [string, LazyTensor] => [
    model.weights.fileName(declaration.name),
    { dtype, shape: declaration.shape, read: () => finalValue(declaration) },
  ]);
  const sharding = maxShardBytes === undefined ? {} : { maxShardBytes };
  if (isLatentDiffusion(model.network)) {
    await savePipeline(folder, { source, tensors, dtype: torchNames[dtype], ...sharding });
    return;
  }
  await saveCheckpoint(folder, tensors, sharding);
  await copyFiles(source, folder, { ...headInConfig(model), dtype: torchNames[dtype] });
  await writeGenerationConfig(model, folder);
  const own = model.pictureAdapter?.name;
  if (own !== undefined) await copyAdapter(join(source, own), join(folder, own));
}

/** The folder whose configuration and tokenizer a saved model keeps; an error where there is none. */
export function folderOf({ path, files, network }: Model): string {
  if (path !== undefined && files?.config && !path.endsWith('.gguf')) return path;
  const found = path?.endsWith('.gguf')
    ? 'a .gguf file has no config.json to save'
    : 'the model came from no folder, so there is no config.json to save';
  throw new QuintetError('unsupported', found, {
    at: path ?? network.name,
    hint: 'begin with a folder in the published format; adapters are trained and used with any model',
  });
}

export async function copyAdapter(from: string, to: string): Promise<void> {
  await makeFolder(to);
  for (const name of [adapterConfigFile, adapterValuesFile]) await copyFile(join(from, name), join(to, name));
}

/** Whether a file of a folder is the model's, and none of its weights: settings, templates, vocabularies. */
export const isSettingsFile = (name: string): boolean => /\.(json|jinja|txt|model)$/.test(name);

/** Configuration, with what is `changed` in it, tokenizer and processor files of a folder. */
async function copyFiles(path: string, folder: string, changed: Readonly<Record<string, unknown>>): Promise<void> {
  const names = (await readdir(path)).filter((name) => name !== partsFile);
  for (const inner of innerFolders.filter((name) => names.includes(name))) {
    await makeFolder(join(folder, inner));
    names.push(...(await readdir(join(path, inner))).map((name) => `${inner}/${name}`));
  }
  for (const name of names) {
    if (isSettingsFile(name) && !name.endsWith('.index.json') && name !== 'config.json') {
      await copyFile(join(path, name), join(folder, name));
    }
  }
  const config = await readFile(join(path, 'config.json'), 'utf8');
  // Weights are written as plain numbers, whatever they were read from.
  const text = changedJson(config, 'config.json', ({ torch_dtype, quantization_config, ...rest }) => {
    return { ...rest, ...changed };
  });
  await writeAtomically(join(folder, 'config.json'), (file) => file.writeFile(text));
}
