/**
 * Models that Quintet ships with, by their short names. `models/index.json` lists them; the files of one lie beside it, or,
 * where they are too large for the package, in the user's cache once `pullModel` has brought them.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kindOfPath, readJson } from '../checkpoint/index.js';
import { fields } from '../tensor/index.js';

export interface ShippedFile {
  /** Within the model's folder, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ShippedModel {
  readonly name: string;
  readonly files: readonly ShippedFile[];
  /** The package's or clone's folder of it, which may lack files. */
  readonly folder: string;
}

const home = fileURLToPath(new URL('../../models', import.meta.url));

/** All that the list names; none where the package was bundled without its list. */
export async function shippedModels(folder = home): Promise<readonly ShippedModel[]> {
  const file = join(folder, 'index.json');
  if ((await kindOfPath(file)) === undefined) return [];
  const listed = fields(await readJson(file), file).objects('models');
  return listed.map((model) => {
    const name = model.text('name');
    const files = model
      .objects('files')
      .map((entry) => ({ path: entry.text('path'), bytes: entry.whole('bytes'), sha256: entry.text('sha256') }));
    return { name, files, folder: join(folder, name) };
  });
}

export async function shippedModel(name: string): Promise<ShippedModel | undefined> {
  return (await shippedModels()).find((model) => model.name === name);
}

/** Where a cache keeps a model: named by its content, so that versions that ship the same share it and others do not. */
export function cachedFolder({ name, files }: ShippedModel, cache: string): string {
  const content = files.map(({ path, sha256 }) => `${sha256} ${path}\n`).join('');
  return join(cache, `${name}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`);
}

/** The folder that has all files of a model; undefined where none does. */
export async function wholeFolder(model: ShippedModel, cache: string): Promise<string | undefined> {
  for (const folder of [model.folder, cachedFolder(model, cache)]) {
    // Files of the cache get their names only when they are right.
    const kinds = await Promise.all(model.files.map(({ path }) => kindOfPath(join(folder, path))));
    if (kinds.every((kind) => kind === 'file')) return folder;
  }
  return undefined;
}
