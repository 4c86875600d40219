/** What a run leaves: a trained model, or an adapter, with its card. */

import { join } from 'node:path';
import { learntValues, type Model, saveModel, writeAdapter } from '../model/index.js';
import { adapterOf } from '../system/index.js';
import type { HostArray } from '../tensor/index.js';
import { writeCard } from './card.js';
import type { RunFile } from './run-file.js';
import { settingsIn } from './settings/adapter.js';

/** Writes the trained model, or the adapter of a last stage that trains one; returns the folder. */
export async function saveRun(model: Model, run: RunFile, values: Record<string, HostArray>): Promise<string> {
  const asked = run.stages.at(-1)?.adapter;
  const folder = join(run.output, asked ? 'adapter' : 'model');
  if (asked) {
    const base = { network: model.network, declarations: model.declarations, base: model.path ?? run.model };
    const settings = settingsIn(model.network, asked);
    await writeAdapter(folder, base, [settings], await learntValues(model, adapterOf([settings]), values));
  } else await saveModel(model, folder, { values });
  await writeCard(model, run.output, folder);
  return folder;
}
