/** A lock file: one process at a time works in a folder, and a process that died no longer does. */

import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, ownProcess, type Process, processOf, wordOf } from '../machine/process.js';
import { QuintetError } from '../tensor/index.js';

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the lock of a folder, also from a process that has died. Throws 'io' where a living process holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = join(folder, 'lock');
  // Process numbers are not enough: machines and containers that share the folder have the same ones.
  const word = wordOf(ownProcess());
  const own = `${file}.${word}`;
  await rm(own, { force: true }); // written anew, never over: it may be linked as the lock
  await writeFile(own, `${word}\n`, { flag: 'wx', flush: true }); // a power cut must not leave a lock without owner
  try {
    // A link appears with its content or not at all; of two processes that try, one fails.
    while (!(await linked(own, file))) await removeStale(file, `${file}.stale.${word}`);
  } finally {
    await rm(own, { force: true });
  }
  return { release: () => rm(file, { force: true }) };
}

/** Whether a living process works in a folder; a lock that names none, as earlier versions wrote it, counts as nobody's. */
export async function isLocked(folder: string): Promise<boolean> {
  const owner = processOf((await readLock(join(folder, 'lock'))) ?? '');
  return owner !== undefined && isRunning(owner) !== false;
}

async function linked(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock of a dead process, by way of the name `aside`; throws where its owner lives. */
async function removeStale(file: string, aside: string): Promise<void> {
  const before = await readOwner(file);
  if (before === undefined) return;
  if (isRunning(before) !== false) throw held(file, before);
  // Another process may be taking the same lock over: what is moved away may by now be its own.
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await readOwner(aside);
  if (moved && isRunning(moved) !== false) {
    await linked(aside, file);
    await rm(aside, { force: true });
    throw held(file, moved);
  }
  await rm(aside, { force: true });
}

function held(file: string, owner: Process): QuintetError {
  return new QuintetError('io', `process ${owner.pid} on ${owner.host} is working in this folder`, {
    at: file,
    hint: 'Wait for it to end, or use another folder. If that process is long gone, delete the lock file',
  });
}

async function readOwner(file: string): Promise<Process | undefined> {
  const word = await readLock(file);
  if (word === undefined) return undefined;
  const owner = processOf(word);
  if (owner) return owner;
  throw new QuintetError('format', 'does not say which process works in this folder', {
    at: file,
    hint: 'If none does, delete the lock file',
  });
}

async function readLock(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
