/** Finding the weights in a folder. */

import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type HostArray, QuintetError } from '../tensor/index.js';
import type { Checkpoint } from './checkpoint.js';
import { fileError, fileSource, kindOfPath, readText } from './file.js';
import { openGguf } from './gguf-checkpoint.js';
import { openSafetensors, openShards } from './safetensors-checkpoint.js';
import { largestIndex, parseShardIndex } from './shard-index.js';
import { openTorch } from './torch-checkpoint.js';
import { chooseWeights, isTorchFile } from './weights-file.js';

/**
 * Opens a checkpoint: a `.safetensors`, `.gguf` or PyTorch file, a shard index, or a folder that holds one of them. Only
 * headers are read. Fails with 'not-found', 'format', 'limit', 'unsupported' or 'io'.
 */
export async function openCheckpoint(folderOrFile: string): Promise<Checkpoint> {
  const file = await weightsFile(folderOrFile);
  if (file.endsWith('.index.json')) {
    const index = parseShardIndex(await readText(file, largestIndex), file);
    return openShards(index, (shard) => fileSource(join(dirname(file), shard)));
  }
  const source = await fileSource(file);
  if (file.endsWith('.gguf')) return openGguf(source);
  return isTorchFile(file) ? openTorch(source) : openSafetensors(source);
}

/** All tensors of a checkpoint, by name. Fails as `openCheckpoint` does. */
export async function readTensors(folderOrFile: string): Promise<Record<string, HostArray>> {
  const checkpoint = await openCheckpoint(folderOrFile);
  try {
    const read = [...checkpoint.tensors.keys()].map(async (name) => [name, await checkpoint.read(name)] as const);
    return Object.fromEntries(await Promise.all(read));
  } finally {
    await checkpoint.close();
  }
}

/** The file that holds or lists the weights of a folder; a file is its own. */
export async function weightsFile(folderOrFile: string): Promise<string> {
  const kind = await kindOfPath(folderOrFile);
  if (kind === undefined) throw new QuintetError('not-found', 'no such file or folder', { at: folderOrFile });
  if (kind === 'file') return folderOrFile;
  const names = await readdir(folderOrFile).catch((cause: Error) => {
    throw fileError(folderOrFile, cause);
  });
  return join(folderOrFile, chooseWeights(names, folderOrFile));
}

/** Whether a folder holds weights of any kind, readable or not. */
export async function hasWeights(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => /\.(safetensors|gguf|bin|pt|pth|ckpt)$/.test(name));
}
