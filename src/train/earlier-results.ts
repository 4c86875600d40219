/** What another run has left in a run's folder is put aside: what lies there is always of one run. */

import { readFile, rename } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { adapterConfigFile, kindOfPath, makeFolder, runRecordFile, writeAtomically } from '../checkpoint/index.js';
import { QuintetError, writeError } from '../tensor/index.js';
import type { RunFile } from './run-file.js';
import type { RunRecord } from './run-record.js';

const results = ['model', 'adapter'];

/** A path that nothing has yet: `checkpoints.1`, `checkpoints.2`, … */
export async function freePath(path: string): Promise<string> {
  let number = 1;
  while ((await kindOfPath(`${path}.${number}`)) !== undefined) number++;
  return `${path}.${number}`;
}

/** Whether a record is of a run of these stages. Whether it goes on with what else they say, their checkpoints tell. */
export const isOfRun = ({ stages }: RunRecord, run: Pick<RunFile, 'stages'>): boolean =>
  stages.map(({ name }) => name).join('\n') === run.stages.map(({ name }) => name).join('\n');

/**
 * Puts the results of another run aside, with its record. Returns the folder that they are in then; undefined where there are none.
 * Throws 'config' where the run begins with one of them.
 */
export async function putResultsAside({ output, model }: RunFile): Promise<string | undefined> {
  const found: string[] = [];
  for (const name of results) if (await kindOfPath(join(output, name))) found.push(name);
  if (found.length === 0) return undefined;
  if (found.some((name) => `${resolve(model)}${sep}`.startsWith(join(output, name, sep)))) {
    throw new QuintetError('config', 'the model that it begins with is the result of another run in this folder', {
      at: output,
      hint: 'give another folder (`output`), which leaves this one as it is',
    });
  }
  const aside = await freePath(join(output, 'results'));
  try {
    await makeFolder(aside);
    for (const name of [...found, runRecordFile]) await rename(join(output, name), join(aside, name));
  } catch (cause) {
    throw writeError(aside, cause, 'the results of another run cannot be put aside');
  }
  await pointToBase(join(aside, 'adapter', adapterConfigFile), join(output, 'model'), join(aside, 'model'));
  return aside;
}

/** Writes into an adapter's file where the model that was saved with it is now. */
async function pointToBase(config: string, before: string, now: string): Promise<void> {
  const text = await readFile(config, 'utf8').catch(() => '');
  const pointing = text.replace(JSON.stringify(before), () => JSON.stringify(now));
  if (pointing !== text) await writeAtomically(config, (file) => file.writeFile(pointing));
}
