/** A lock file: one process at a time works in a folder, and a process that died no longer does. */

import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isThere, type Machine, machineOf } from '../parallel/machine.js';
import { fields, parseJson, QuintetError } from '../tensor/index.js';

interface Owner extends Machine {
  readonly pid: number;
  /** When the process began, in the kernel's ticks; process numbers are used again. '' where it cannot be known. */
  readonly started: string;
}

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the lock of a folder, also from a process that has died. Throws 'io' where a living process holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = join(folder, 'lock');
  const own = `${file}.${process.pid}`;
  const owner: Owner = { pid: process.pid, started: await startOf(process.pid), ...machineOf() };
  await writeFile(own, `${JSON.stringify(owner)}\n`, { flush: true }); // a power cut must not leave a lock without owner
  try {
    // A link appears with its content or not at all; of two processes that try, one fails.
    while (!(await linked(own, file))) await removeStale(file);
  } finally {
    await rm(own, { force: true });
  }
  return { release: () => rm(file, { force: true }) };
}

/** Whether a living process works in a folder. */
export async function isLocked(folder: string): Promise<boolean> {
  const owner = await readOwner(join(folder, 'lock'));
  return owner !== undefined && alive(owner);
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

/** Removes the lock of a dead process; throws where its owner lives. */
async function removeStale(file: string): Promise<void> {
  const before = await readOwner(file);
  if (before === undefined) return;
  if (await alive(before)) throw held(file, before);
  // Another process may be taking the same lock over: what is moved away may by now be its own.
  const aside = `${file}.stale.${process.pid}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await readOwner(aside);
  if (moved && (await alive(moved))) {
    await linked(aside, file);
    await rm(aside, { force: true });
    throw held(file, moved);
  }
  await rm(aside, { force: true });
}

function held(file: string, owner: Owner): QuintetError {
  return new QuintetError('io', `process ${owner.pid} on ${owner.host} is working in this folder`, {
    at: file,
    hint: 'Wait for it to end, or use another folder. If that process is long gone, delete the lock file',
  });
}

async function readOwner(file: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const owner = fields(parseJson(text, file), file);
  return {
    pid: owner.whole('pid'),
    started: owner.text('started'),
    host: owner.text('host'),
    boot: owner.text('boot', ''),
    container: owner.text('container', ''),
  };
}

async function alive(owner: Owner): Promise<boolean> {
  const { host, boot } = machineOf();
  if (owner.host === host && owner.boot !== boot) return false; // the machine was started again since
  const there = isThere(owner);
  return there === true ? (await startOf(owner.pid)) === owner.started : there === undefined;
}

/**
 * Field 22 of Linux's /proc/PID/stat; '' elsewhere, and for a process (Z) that has ended though its parent has not asked how.
 * The name in field 2 may hold spaces and parentheses.
 */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, ...others] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? '' : (others[18] ?? '');
  } catch {
    return '';
  }
}
