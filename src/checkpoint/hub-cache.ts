/**
 * The cache of Hugging Face on disk, shared with its Python library: contents once in `blobs` by their hash, and a folder of
 * links to them for each commit (https://huggingface.co/docs/hub/local-cache).
 */
import { copyFile, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isRunning, ownProcess, processOf, wordOf } from '../machine/process.js';
import { QuintetError, writeError } from '../tensor/index.js';
import { makeFolder, temporaryBeside, writeAtomically } from './file.js';
import { quoted } from './json-scanner.js';

export interface RepositoryCache {
  readonly folder: string;
  /** The folder of a commit's files. */
  snapshot(commit: string): string;
  blob(hash: string): string;
  lock(hash: string): string;
  /** The file that holds the commit of a branch or tag. */
  reference(revision: string): string;
}

/** Where a repository lies in a cache; its id is `name` or `owner/name`. */
export function repositoryCache(cache: string, repository: string): RepositoryCache {
  const name = `models--${repository.replaceAll('/', '--')}`;
  const folder = join(cache, name);
  return {
    folder,
    snapshot: (commit) => join(folder, 'snapshots', commit),
    blob: (hash) => join(folder, 'blobs', hash),
    lock: (hash) => join(cache, '.locks', name, `${hash}.quintet`),
    reference: (revision) => join(folder, 'refs', revision),
  };
}

/** The path of a file within a repository, refused where it could leave the cache. */
export function checkedPath(path: string): string {
  const parts = path.split('/');
  // Control characters, backslashes and colons have a meaning to one file system or another.
  const safe = parts.every((part) => /^[^\\:*?"<>|\p{Cc}]{1,255}$/u.test(part) && part !== '..' && part !== '.');
  if (!safe || path.length > 1024)
    throw new QuintetError('format', `the hub names a file ${quoted(path)}, which is refused`);
  return path;
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The commit that the cache knows for a revision. */
export async function cachedCommit(cache: RepositoryCache, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  try {
    const commit = (await readFile(cache.reference(revision), 'utf8')).trim();
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

export async function rememberCommit(cache: RepositoryCache, revision: string, commit: string): Promise<void> {
  if (isCommit(revision)) return;
  const file = cache.reference(revision);
  await makeFolder(dirname(file));
  await writeAtomically(file, (handle) => handle.writeFile(commit));
}

/** A file of a repository at a commit. */
export interface HubFile {
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
}

/** Makes a file of a commit a relative link to a blob; a copy where the system has no links for ordinary users. */
export async function linkBlob(cache: RepositoryCache, { commit, path }: HubFile, hash: string): Promise<void> {
  const link = join(cache.snapshot(commit), path);
  const temporary = temporaryBeside(link);
  await makeFolder(dirname(link));
  try {
    await symlink(relative(dirname(link), cache.blob(hash)), temporary).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPERM') throw error;
      return copyFile(cache.blob(hash), temporary);
    });
    await rename(temporary, link);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(link, cause);
  }
}

const poll = 100; // milliseconds
const beat = 2_000;
/** How long a lock may stand without a beat before its holder counts as dead. */
const patience = 20_000;

/**
 * Runs an action that no other process runs at the same time for the same lock file. The holder rewrites the file every
 * two seconds; a holder that is gone, or silent for twenty seconds, loses it. (Two waiters may then both take it; what
 * they do to a download is caught by its hash.)
 */
export async function withLock<T>(file: string, signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
  await makeFolder(dirname(file));
  await acquire(file, signal);
  let beats = 0;
  const timer = setInterval(() => {
    beats++;
    // A failed beat does no harm to the holder: at worst another process downloads the same file.
    writeBeat(file, beats, 'w').catch(() => {});
  }, beat);
  try {
    return await action();
  } finally {
    clearInterval(timer);
    await rm(file, { force: true });
  }
}

async function acquire(file: string, signal: AbortSignal | undefined): Promise<void> {
  let last = '';
  let silence = 0;
  for (;;) {
    try {
      await writeBeat(file, 0, 'wx');
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(file, cause);
    }
    const found = await readFile(file, 'utf8').catch(() => '');
    silence = found === last ? silence + poll : 0;
    last = found;
    if (isDead(found) || silence >= patience) await rm(file, { force: true });
    else await wait(poll, undefined, signal === undefined ? {} : { signal }).catch(cancelled);
  }
}

function cancelled(cause: unknown): never {
  throw new QuintetError('aborted', 'the download was cancelled', { cause });
}

async function writeBeat(file: string, beats: number, flags: 'w' | 'wx'): Promise<void> {
  const handle = await open(file, flags);
  try {
    await handle.writeFile(`${wordOf(ownProcess())} ${beats}`);
  } finally {
    await handle.close();
  }
}

/** Whether the holder is known to run no more. */
function isDead(content: string): boolean {
  const [word = ''] = content.split(' ');
  const holder = processOf(word);
  return holder !== undefined && isRunning(holder) === false;
}
