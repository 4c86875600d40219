/** A model folder whose files are in memory, as in a browser. */

import { QuintetError } from '../tensor/index.js';
import { readingBitsandbytes } from './bitsandbytes.js';
import type { Checkpoint } from './checkpoint.js';
import { type ModelFiles, parseFolder, parseGgufModel } from './folder-files.js';
import { openGguf } from './gguf-checkpoint.js';
import { largestPartsFile, openParts } from './joined.js';
import { openSafetensors, openShards } from './safetensors-checkpoint.js';
import { largestIndex, parseShardIndex } from './shard-index.js';
import { type ByteSource, bytesSource, checkFileSize, textOf } from './source.js';
import { chooseWeights, partNames, partsFile } from './weights-file.js';

/** The files of a folder by name. */
export type MemoryFiles = ReadonlyMap<string, Uint8Array>;

/**
 * A folder with `config.json` and weights, or a single .gguf file. `at` names it in messages. Weights are not copied: they
 * are parts of the given bytes. Fails as opening the same folder on disk does.
 */
export async function openMemoryFolder(files: MemoryFiles, at: string): Promise<ModelFiles> {
  const source = (name: string): ByteSource => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new QuintetError('not-found', 'no such file', { at: `${at}/${name}` });
    return bytesSource(bytes, `${at}/${name}`);
  };
  const text = async (name: string, limit: number): Promise<string> => {
    const file = source(name);
    checkFileSize(file, limit);
    return textOf(await file.read(0, file.size), file.at);
  };
  const names = new Set(files.keys());
  if (!names.has('config.json')) {
    const name = chooseWeights([...names], at);
    if (name.endsWith('.gguf')) return parseGgufModel(await openGguf(...partNames(name).map(source)), at);
  }
  const parsed = await parseFolder({ at, names, text });
  if (parsed.config === undefined) throw new QuintetError('not-found', 'no config.json in this folder', { at });
  const checkpoint = await openWeights(chooseWeights([...names], at), { source, text });
  return { ...parsed, config: parsed.config, path: at, checkpoint };
}

interface Reading {
  readonly source: (name: string) => ByteSource;
  readonly text: (name: string, limit: number) => Promise<string>;
}

async function openWeights(name: string, reading: Reading): Promise<Checkpoint> {
  const { source, text } = reading;
  if (name === partsFile) {
    return openParts(await text(name, largestPartsFile), source(name).at, (part) => openWeights(part, reading));
  }
  if (name.endsWith('.gguf')) return openGguf(...partNames(name).map(source));
  const { at } = source(name);
  if (!name.endsWith('.index.json')) return readingBitsandbytes(await openSafetensors(source(name)), at);
  const index = parseShardIndex(await text(name, largestIndex), at);
  return readingBitsandbytes(await openShards(index, async (shard) => source(shard)), at);
}
