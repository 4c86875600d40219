/** What another run has left in a run's folder: it is put aside before this one's record and results take its place. */

import { realpath, rename } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import {
  adapterConfigFile,
  freePath,
  kindOfPath,
  makeFolder,
  readJson,
  runRecordFile,
  runResults,
  writeAtomically,
} from '../checkpoint/index.js';
import { type Fields, fields, QuintetError, writeError } from '../tensor/index.js';
import type { RunFile } from './run-file.js';
import type { RunRecord } from './run-record.js';

/** Whether a record is of a run of these stages. Whether it goes on with what else they say, their checkpoints tell. */
export const isOfRun = ({ stages }: RunRecord, run: Pick<RunFile, 'stages'>): boolean =>
  stages.map(({ name }) => name).join('\n') === run.stages.map(({ name }) => name).join('\n');

/** The names of the results in a run's folder that are of another run. Throws 'config' where the run reads one of them. */
export async function resultsOfOther(run: RunFile, record: RunRecord | undefined): Promise<readonly string[]> {
  if (record && isOfRun(record, run)) return [];
  const found: string[] = [];
  for (const name of runResults) if (await kindOfPath(join(run.output, name))) found.push(name);
  if (found.length === 0) return found;
  const output = await realPath(run.output);
  for (const [what, place] of placesOf(run)) {
    const read = await realPath(place);
    if (read !== output && !found.some((name) => `${read}${sep}`.startsWith(join(output, name, sep)))) continue;
    throw new QuintetError('config', `${what} is the result of another run in this folder`, {
      at: run.output,
      hint: 'give another folder (`output`), which leaves this one as it is',
    });
  }
  return found;
}

/** What a run reads besides its data, in words, and where it is. */
function placesOf({ model, stages }: RunFile): [string, string][] {
  const ofStages = stages.flatMap(({ name, adapter, form }): [string, string | undefined][] => [
    [`the adapter that stage ${name} begins with`, adapter?.kind === 'saved' ? adapter.from : undefined],
    [`the reward of stage ${name}`, 'reward' in form ? form.reward : undefined],
    [`the teacher of stage ${name}`, 'teacher' in form ? form.teacher : undefined],
  ]);
  return [
    ['the model that it begins with', model],
    ...ofStages.filter((place): place is [string, string] => place[1] !== undefined),
  ];
}

/** A path without links; as it is where nothing is there, as of a hub name. */
const realPath = (path: string): Promise<string> => realpath(path).catch(() => path);

/** Puts results of another run aside, with the record beside them; returns the folder that they are in then. */
export async function putResultsAside(output: string, found: readonly string[]): Promise<string> {
  const aside = await freePath(join(output, 'results'));
  try {
    await makeFolder(aside);
    const record = (await kindOfPath(join(output, runRecordFile))) ? [runRecordFile] : [];
    for (const name of [...found, ...record]) await rename(join(output, name), join(aside, name));
  } catch (cause) {
    throw writeError(aside, cause, 'the results of another run cannot be put aside');
  }
  await pointToBase(join(aside, 'adapter', adapterConfigFile), join(output, 'model'), join(aside, 'model'));
  return aside;
}

/** Writes into an adapter's file where the model that was saved with it is now; one that cannot be read names none. */
async function pointToBase(file: string, before: string, now: string): Promise<void> {
  const config = await readJson(file).then(
    (json) => fields(json, file).raw,
    (): Fields['raw'] => ({}),
  );
  const { base_model_name_or_path: base } = config;
  if (typeof base !== 'string' || resolve(base) !== resolve(before)) return;
  const text = `${JSON.stringify({ ...config, base_model_name_or_path: now }, null, 2)}\n`;
  await writeAtomically(file, (handle) => handle.writeFile(text));
}
