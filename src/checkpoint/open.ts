/** Finding the weights in a folder. */

import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QuintetError } from '../tensor/index.js';
import type { Checkpoint } from './checkpoint.js';
import { fileError, fileSource, kindOfPath, readText } from './file.js';
import { openGguf } from './gguf-checkpoint.js';
import { openSafetensors, openShards } from './safetensors-checkpoint.js';
import { parseShardIndex } from './shard-index.js';

/** The names that the weights of transformers, diffusers and peft have, first choice first. */
const stems = ['model', 'diffusion_pytorch_model', 'adapter_model'];
const preferred = stems.flatMap((stem) => [`${stem}.safetensors`, `${stem}.safetensors.index.json`]);

/** The largest index that is read: 64 MB name a million tensors. */
const largestIndex = 2 ** 26;

/**
 * Opens a checkpoint: a `.safetensors` or `.gguf` file, a shard index, or a folder that holds one of them. Only headers are
 * read. Fails with 'not-found', 'format', 'limit', 'unsupported' or 'io'.
 */
export async function openCheckpoint(folderOrFile: string): Promise<Checkpoint> {
  const file = await weightsFile(folderOrFile);
  if (file.endsWith('.index.json')) {
    const index = parseShardIndex(await readText(file, largestIndex), file);
    return openShards(index, (shard) => fileSource(join(dirname(file), shard)));
  }
  const source = await fileSource(file);
  return file.endsWith('.gguf') ? openGguf(source) : openSafetensors(source);
}

/** The file that holds or lists the weights of a folder; a file is its own. */
export async function weightsFile(folderOrFile: string): Promise<string> {
  const kind = await kindOfPath(folderOrFile);
  if (kind === undefined) throw new QuintetError('not-found', 'no such file or folder', { at: folderOrFile });
  if (kind === 'file') return folderOrFile;
  const names = await readdir(folderOrFile).catch((cause: Error) => {
    throw fileError(folderOrFile, cause);
  });
  const chosen = preferred.find((name) => names.includes(name));
  if (chosen !== undefined) return join(folderOrFile, chosen);
  const weights = names.filter((name) => /\.(safetensors|gguf)$/.test(name)).sort();
  if (weights.length === 1) return join(folderOrFile, weights[0] as string);
  if (weights.length > 1) {
    const hint = `Name one of the files: ${weights.join(', ')}.`;
    throw new QuintetError('not-found', `${weights.length} weight files and none of the usual names`, {
      at: folderOrFile,
      hint,
    });
  }
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  const hint =
    pickles.length > 0
      ? `${pickles[0]} is a Python pickle, which can run code and is never opened; convert it to safetensors.`
      : `Expected ${preferred.slice(0, 2).join(' or ')}, or a .gguf file.`;
  throw new QuintetError('not-found', 'no weights in this folder', { at: folderOrFile, hint });
}

/** Whether a folder holds weights of any kind, readable or not. */
export async function hasWeights(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => /\.(safetensors|gguf|bin|pt|pth|ckpt)$/.test(name));
}
