/** What a run leaves: a trained model, or an adapter, with its card. */

import { join } from 'node:path';
import { learntValues, type Model, saveModel, writeAdapter } from '../model/index.js';
import type { HostArray } from '../tensor/index.js';
import { writeCard } from './card.js';
import type { RunFile } from './run-file.js';
import type { Learning } from './settings/adapter.js';

/** What a run has trained: with the last stage's adapter, where it has one. */
interface Trained extends Learning {
  readonly run: RunFile;
  readonly values: Record<string, HostArray>;
}

/** Writes the trained model, or the adapter of a last stage that trains one; returns the folder. */
export async function saveRun(model: Model, { run, values, adapter, settings }: Trained): Promise<string> {
  const folder = join(run.output, adapter ? 'adapter' : 'model');
  if (adapter && settings) {
    // As PEFT does: what the user called it, which holds where the folders go somewhere else together.
    const base = { network: model.network, declarations: model.declarations, base: run.modelAsWritten };
    await writeAdapter(folder, base, settings, await learntValues(model, adapter, values));
  } else await saveModel(model, folder, { values });
  await writeCard(model, run.output, folder);
  return folder;
}
