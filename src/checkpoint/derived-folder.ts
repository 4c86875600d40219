/** The folder of files that `derivedTensors` keeps: what is there, and what nobody needs any more. */

import type { Stats } from 'node:fs';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning } from '../machine/process.js';
import { fileError, QuintetError } from '../tensor/index.js';
import { fileSource, writerOf } from './file.js';
import { openSafetensors } from './safetensors-checkpoint.js';
import { isAsWritten } from './safetensors-digest.js';

export interface DerivedFile {
  readonly file: string;
  readonly bytes: number;
  /** When it was last read or written, in milliseconds since 1970. File systems note reading once a day, some never. */
  readonly used: number;
  /** What it was made of, where it says so. */
  readonly source?: string;
  /** What a process is writing, or has left behind: a file that nothing will ever read. */
  readonly partial?: 'being written' | 'left behind';
}

/** The files in such a folder, those used last first; none where there is no such folder. */
export async function derivedFiles(folder: string): Promise<readonly DerivedFile[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw fileError(folder, cause);
  });
  const found = await Promise.all(
    names.filter((name) => /\.safetensors\b/.test(name)).map((name) => look(folder, name)),
  );
  return found.filter((file) => file !== undefined).sort((a, b) => b.used - a.used);
}

async function look(folder: string, name: string): Promise<DerivedFile | undefined> {
  const file = join(folder, name);
  // Another process may have renamed or removed it in the meantime.
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  const own = { file, bytes: found.size, used: Math.max(found.atimeMs, found.mtimeMs) };
  if (!name.endsWith('.safetensors'))
    return { ...own, partial: isBeingWritten(name) ? 'being written' : 'left behind' };
  const source = await sourceOf(file);
  await keepTimes(found, file);
  return source === undefined ? own : { ...own, source };
}

/** Looking is not using. */
const keepTimes = ({ atime, mtime }: Stats, file: string): Promise<void> => utimes(file, atime, mtime).catch(() => {});

async function sourceOf(file: string): Promise<string | undefined> {
  try {
    const { metadata, close } = await openSafetensors(await fileSource(file));
    await close();
    const source = metadata.get('source');
    return typeof source === 'string' ? source : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process in the name of an unfinished file still runs; one that is not to be seen is taken to. */
function isBeingWritten(name: string): boolean {
  const [, ending = ''] = /\.safetensors\.(.+)$/.exec(name) ?? [];
  const writer = writerOf(ending);
  return writer !== undefined && isRunning(writer) !== false;
}

export interface CheckedFile extends DerivedFile {
  /** 'unknown' where a readable file holds no digest: earlier versions wrote none. */
  readonly state: 'whole' | 'damaged' | 'unknown';
}

/** Reads the finished files as a whole and compares them with their digests. */
export async function checkDerived(folder: string): Promise<readonly CheckedFile[]> {
  const checked: CheckedFile[] = [];
  for (const derived of await derivedFiles(folder)) {
    const found = await stat(derived.file).catch(() => undefined);
    if (derived.partial || !found) continue;
    const state = await stateOf(derived.file);
    await keepTimes(found, derived.file);
    if (state) checked.push({ ...derived, state });
  }
  return checked;
}

/** Undefined where the file is gone; one that cannot be read is damaged. */
async function stateOf(file: string): Promise<CheckedFile['state'] | undefined> {
  try {
    const whole = await isAsWritten(file);
    if (whole !== undefined) return whole ? 'whole' : 'damaged';
    await (await openSafetensors(await fileSource(file))).close();
    return 'unknown';
  } catch (error) {
    return error instanceof QuintetError && error.code === 'not-found' ? undefined : 'damaged';
  }
}

/** Removes files that were last used before a time, and what was left behind; returns what is gone. */
export async function removeDerived(
  folder: string,
  { before }: { readonly before: number },
): Promise<readonly DerivedFile[]> {
  const files = await derivedFiles(folder);
  const unneeded = files.filter(({ partial, used }) => partial === 'left behind' || (!partial && used < before));
  for (const { file } of unneeded) {
    await rm(file, { force: true }).catch((cause: Error) => {
      throw fileError(file, cause);
    });
  }
  return unneeded;
}
