/** Folders that training runs work in, for whoever takes one for a model or an adapter. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOfPath } from './file.js';
import { adapterConfigFile } from './weights-file.js';

/** The file that says what a run's folder is of. */
export const runRecordFile = 'run.json';

/** The folders in it that are written at the run's end. */
export const runResults: readonly string[] = ['model', 'adapter'];

/** What they hold in any case, in the order in which they are told. Beside an adapter a model is what it is for. */
const signs = [
  { name: 'adapter', said: 'an adapter', sign: adapterConfigFile },
  { name: 'model', said: 'a model', sign: '' },
];

/** What to do with a run's folder, a stage's or a checkpoint's, where a model or an adapter is wanted; undefined for others. */
export async function runHint(folder: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder).catch((): string[] => []));
  const isOfStage = names.has('checkpoints') || (names.has('manifest.json') && names.has('state.json'));
  for (const { name, said, sign } of names.has(runRecordFile) ? signs : []) {
    const place = join(folder, name);
    if (await kindOfPath(join(place, sign))) return `This is the folder of a run, which has written ${said}: ${place}`;
  }
  if (!isOfStage && !names.has(runRecordFile)) return undefined;
  return (
    'Checkpoints are what a run goes on from; a model or an adapter is written at its end. ' +
    '`quintet train` with `--steps` as many as are done ends it there.'
  );
}
