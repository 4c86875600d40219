/** Writing a model that comes with an adapter for pictures, with another one in its place. */

import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { innerFolders, isWeightsFile, makeFolder } from '../checkpoint/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Model } from './model.js';
import { copyAdapter, folderOf, isSettingsFile } from './save.js';

/** The files of the model's folder as they are, weights too, and the adapter that lies in the folder `adapter`. */
export async function savePictured(model: Model, folder: string, adapter: string): Promise<void> {
  if (!model.pictureAdapter) {
    throw new QuintetError('unsupported', 'the model comes with no adapter for pictures', { at: model.network.name });
  }
  const source = folderOf(model);
  await makeFolder(folder);
  const isOfModel = (name: string): boolean =>
    isWeightsFile(name) || isSettingsFile(name) || innerFolders.includes(name);
  for (const name of (await readdir(source)).filter(isOfModel)) {
    await cp(join(source, name), join(folder, name), { recursive: true, dereference: true });
  }
  await copyAdapter(adapter, join(folder, model.pictureAdapter.name));
}
