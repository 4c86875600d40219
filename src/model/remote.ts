/** Models from an address or from bytes: what a browser can open. */

import { type DownloadOptions, downloadFolder, type MemoryFiles, openMemoryFolder } from '../checkpoint/bytes.js';
import { type Model, type ModelOptions, modelOf } from './model.js';

/**
 * Downloads a model into memory and loads it: a folder in the published format that a web server holds, or a .gguf file.
 * `signal` ends the download. Fails as `downloadFolder` and `loadFromBytes` do.
 */
export async function loadFromUrl(base: string | URL, options: ModelOptions & DownloadOptions = {}): Promise<Model> {
  return loadFromBytes(await downloadFolder(base, options), { ...options, at: String(base) });
}

/**
 * The model of a folder's files, by name: `config.json`, what belongs to the tokenizer and the processor, and weights as
 * safetensors, whole or in shards; or of one .gguf file. `at` names the folder in messages.
 */
export async function loadFromBytes(
  files: MemoryFiles,
  { at = 'model', ...options }: ModelOptions & { readonly at?: string } = {},
): Promise<Model> {
  return modelOf(await openMemoryFolder(files, at), options);
}
