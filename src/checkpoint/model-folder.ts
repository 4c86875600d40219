/** A model folder on disk: its JSON files, its chat templates and its weights. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnFailure, fileError, QuintetError } from '../tensor/index.js';
import { kindOfPath, readText } from './file.js';
import {
  type FolderFiles,
  generatorTokenizerFolder,
  type ModelFiles,
  parseFolder,
  parseGgufModel,
  templatesFolder,
} from './folder-files.js';
import { openCheckpoint, openGgufFile } from './open.js';
import { runHint } from './run-place.js';
import { poolingFolder } from './sentence-files.js';

/**
 * Opens a folder with `config.json` and weights, or a .gguf file. The caller closes `checkpoint`.
 * Fails as `openCheckpoint` does, and with 'config' where a JSON file holds no object.
 */
export async function openModelFolder(path: string): Promise<ModelFiles> {
  if ((await kindOfPath(path)) === 'file') return openGgufModel(path);
  const files = await readFolderFiles(path);
  if (files.config === undefined) {
    const hint = await runHint(path);
    throw new QuintetError('not-found', 'no config.json in this folder', { at: path, ...(hint && { hint }) });
  }
  return { ...files, config: files.config, path, checkpoint: await openCheckpoint(path) };
}

async function openGgufModel(path: string): Promise<ModelFiles> {
  if (!path.endsWith('.gguf')) {
    throw new QuintetError('not-found', 'a model is a folder with a config.json, or a .gguf file', { at: path });
  }
  const checkpoint = await openGgufFile(path);
  return closeOnFailure([checkpoint], async () => parseGgufModel(checkpoint, path));
}

/** Folders within whose files belong to the model. */
export const innerFolders = [templatesFolder, poolingFolder, generatorTokenizerFolder];

/** The JSON files and chat templates of a folder. */
export async function readFolderFiles(folder: string): Promise<FolderFiles> {
  const names = new Set(await namesIn(folder));
  for (const inner of innerFolders.filter((name) => names.has(name))) {
    for (const name of await namesIn(join(folder, inner))) names.add(`${inner}/${name}`);
  }
  return parseFolder({ at: folder, names, text: (name, limit) => readText(join(folder, name), limit) });
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((cause: Error) => {
    throw fileError(folder, cause);
  });
}
