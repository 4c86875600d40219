/** Folders that training runs work in, for whoever takes one for a model or an adapter. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The file that says what a run's folder is of. */
export const runRecordFile = 'run.json';

/** What to do with a run's folder, a stage's or a checkpoint's, where a model or an adapter is wanted; undefined for others. */
export async function runHint(folder: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder).catch((): string[] => []));
  const [result] = ['adapter', 'model'].filter((name) => names.has(name));
  const isOfStage = names.has('checkpoints') || (names.has('manifest.json') && names.has('state.json'));
  if (names.has(runRecordFile) && result)
    return `This is the folder of a run, which has written ${join(folder, result)}.`;
  if (!isOfStage && !names.has(runRecordFile)) return undefined;
  return (
    'Checkpoints are what a run goes on from; a model or an adapter is written at its end. ' +
    '`quintet train` with `--steps` as many as are done ends it there.'
  );
}
