/** Finding the weights in a folder. */

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { closeOnFailure, fileError, type HostArray, QuintetError } from '../tensor/index.js';
import { readingBitsandbytes } from './bitsandbytes.js';
import type { Checkpoint } from './checkpoint.js';
import { fileSource, kindOfPath, readText } from './file.js';
import { type GgufCheckpoint, openGguf } from './gguf-checkpoint.js';
import { largestPartsFile, openParts } from './joined.js';
import { openSafetensors, openShards } from './safetensors-checkpoint.js';
import { largestIndex, parseShardIndex } from './shard-index.js';
import type { ByteSource } from './source.js';
import { openTorch } from './torch-checkpoint.js';
import { chooseWeights, isTorchFile, isWeightsFile, partNames, partsFile } from './weights-file.js';

/**
 * Opens a checkpoint: a `.safetensors`, `.gguf` or PyTorch file, a shard index, the list of a model's parts, or a folder that
 * holds one of them. Only headers are read. Fails with 'not-found', 'format', 'limit', 'unsupported' or 'io'.
 */
export async function openCheckpoint(folderOrFile: string): Promise<Checkpoint> {
  const file = await weightsFile(folderOrFile);
  if (file.endsWith('.index.json')) {
    const index = parseShardIndex(await readText(file, largestIndex), file);
    const shards = await openShards(index, (shard) => fileSource(join(dirname(file), shard)));
    return readingBitsandbytes(shards, file);
  }
  if (basename(file) === partsFile) {
    return openParts(await readText(file, largestPartsFile), file, (part) => openCheckpoint(join(dirname(file), part)));
  }
  if (file.endsWith('.gguf')) return openGgufFile(file);
  const source = await fileSource(file);
  return isTorchFile(file) ? openTorch(source) : readingBitsandbytes(await openSafetensors(source), file);
}

/** Opens a GGUF file, with the other parts where it is called the first of several. Fails as `openGguf` does. */
export async function openGgufFile(file: string): Promise<GgufCheckpoint> {
  const sources: ByteSource[] = [];
  await closeOnFailure(sources, async () => {
    for (const name of partNames(basename(file))) sources.push(await fileSource(join(dirname(file), name)));
  });
  return openGguf(...sources);
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
  return (await readdir(folder)).some(isWeightsFile);
}
