/** Files of a model folder on disk: positional reads, bounded JSON, and writing that a crash cannot leave half done. */

import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync, type Stats } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isRunning, ownProcess, processOf, wordOf } from '../machine/process.js';
import { fileError, parseJson, QuintetError, writeError } from '../tensor/index.js';
import { allocate, type ByteSource, checkFileSize, checkRange, textOf } from './source.js';

/** One system call reads at most this much: Linux and macOS stop short of 2 GiB. */
const readAtMost = 2 ** 30;

/** A file opened for reading at any place. Fails with 'not-found' or 'io'; what is not a regular file is refused unopened. */
export async function fileSource(path: string): Promise<ByteSource> {
  const file = resolve(path);
  const size = await regularFileSize(file);
  const handle = await open(file, 'r').catch((cause: Error) => {
    throw fileError(file, cause);
  });
  return {
    at: file,
    file,
    size,
    read: async (offset, length) => {
      checkRange({ size, at: file }, offset, length);
      const bytes = allocate(length, file);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, readAtMost), offset + done);
        if (bytesRead === 0)
          throw new QuintetError('io', 'the file has become shorter while it was read', { at: file });
        done += bytesRead;
      }
      return bytes;
    },
    readNow: (offset, length) => {
      checkRange({ size, at: file }, offset, length);
      return readRangeNow(file, offset, allocate(length, file));
    },
    range: (offset, length) => ({ file, offset, length }),
    close: () => handle.close(),
  };
}

function readRangeNow(file: string, offset: number, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const descriptor = openSync(file, 'r');
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const count = readSync(descriptor, bytes, done, Math.min(bytes.byteLength - done, readAtMost), offset + done);
      if (count === 0) throw new QuintetError('io', 'the file has become shorter while it was read', { at: file });
      done += count;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

/** The size of a file; folders, pipes and devices are refused. */
export async function regularFileSize(file: string): Promise<number> {
  const found = await stat(file).catch((cause: Error) => {
    throw fileError(file, cause);
  });
  if (!found.isFile()) throw new QuintetError('io', 'not a regular file', { at: file });
  return found.size;
}

/** Whether a path exists, as a folder or as something else. */
export async function kindOfPath(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return kindOf(await stat(path));
  } catch {
    return undefined;
  }
}

/** A path that nothing has yet: `checkpoints.1`, `checkpoints.2`, … */
export async function freePath(path: string): Promise<string> {
  let number = 1;
  while ((await kindOfPath(`${path}.${number}`)) !== undefined) number++;
  return `${path}.${number}`;
}

const kindOf = (found: Stats): 'file' | 'folder' => (found.isDirectory() ? 'folder' : 'file');

/**
 * Fails with 'not-found' or 'io' where a file cannot be written: asked before the work whose result goes there. A folder is
 * made when it is written to, so that of one its nearest ancestor that is there counts.
 */
export async function checkDestination(path: string, kind: 'file' | 'folder' = 'file'): Promise<void> {
  const place = resolve(path);
  const found = await stat(place).then(kindOf, (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENAMETOOLONG') throw writeError(path, cause);
    return undefined;
  });
  if (found !== undefined && found !== kind) {
    throw new QuintetError('io', `is a ${found}, where a ${kind} is to be written`, { at: path });
  }
  let folder = kind === 'folder' ? place : dirname(place);
  if (kind === 'folder') while ((await kindOfPath(folder)) === undefined) folder = dirname(folder);
  if ((await kindOfPath(folder)) !== 'folder') {
    throw new QuintetError('not-found', `there is no folder ${folder} to write it to`, { at: path });
  }
  for (const written of found === 'file' ? [folder, place] : [folder]) {
    await access(written, constants.W_OK).catch((cause: Error) => {
      throw fileError(written, cause);
    });
  }
}

/** The text of a file of at most `limit` bytes. */
export async function readText(path: string, limit: number): Promise<string> {
  const source = await fileSource(path);
  try {
    checkFileSize(source, limit);
    return textOf(await source.read(0, source.size), source.at);
  } finally {
    await source.close();
  }
}

/** The value of a JSON file of at most `limit` bytes, by default 16 MiB, and four million values. */
export async function readJson(path: string, limit = 2 ** 24): Promise<unknown> {
  return parseJson(await readText(path, limit), path, { values: 2 ** 22 });
}

/**
 * Writes a file so that after a crash its old or its new content is there, never a part: into a temporary file beside it,
 * forced to disk, then renamed over it. On failure the temporary file is removed and the old file stays. Of several
 * processes that write the same file the last one's content is there, whole.
 */
export async function writeAtomically(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const file = resolve(path);
  const temporary = temporaryBeside(file);
  await removeLeftBehind(file);
  try {
    const handle = await open(temporary, 'w');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(file, cause);
  }
}

/** Writes the result of a command atomically; into a pipe or a device, in whose place no file may be put. Fails with 'io'. */
export async function writeResult(path: string, content: string | Uint8Array): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found || found.isFile()) return writeAtomically(path, (file) => file.writeFile(content));
  await writeFile(path, content).catch((cause: Error) => {
    throw writeError(path, cause);
  });
}

const longestName = 255; // bytes, on all usual file systems
let names = 0;

/** A path in the folder of a file that nobody else writes to, and that says whose it is: see `writerOf`. */
export function temporaryBeside(file: string): string {
  const ending = `.${wordOf(ownProcess())}.${names++}.part`;
  const name = `.${basename(file)}${ending}`;
  const short = createHash('sha256').update(basename(file)).digest('hex').slice(0, 12);
  return join(dirname(file), Buffer.byteLength(name) <= longestName ? name : `.${short}${ending}`);
}

/** The process that a temporary file belongs to, by what its name has behind the file's own; undefined where it says none. */
export const writerOf = (ending: string): ReturnType<typeof processOf> =>
  processOf(ending.replace(/\.\d+(?:\.part)?$/, ''));

/** Removes what processes that run no more have left of a file. */
async function removeLeftBehind(file: string): Promise<void> {
  const folder = dirname(file);
  const start = `.${basename(file)}.`;
  const found = await readdir(folder).catch(() => []); // whoever writes there will be told
  for (const name of found.filter((other) => other.startsWith(start))) {
    const writer = writerOf(name.slice(start.length));
    if (writer && isRunning(writer) === false) await rm(join(folder, name), { force: true }).catch(() => {});
  }
}

/** Makes a folder, and those that it is to be in, where they are not there yet. */
export async function makeFolder(folder: string): Promise<void> {
  await makePath(resolve(folder)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw writeError(folder, cause);
    throw new QuintetError('io', 'is a file, where a folder is to be made', { at: folder, cause });
  });
}

/** Folder by folder: Node's `recursive` never ends where none can be made and the system says that there is none, as in /proc. */
async function makePath(folder: string): Promise<void> {
  if ((await kindOfPath(folder)) === 'folder') return;
  const parent = dirname(folder);
  if ((await kindOfPath(parent)) === undefined && parent !== folder) await makePath(parent);
  await mkdir(folder).catch(async (cause: NodeJS.ErrnoException) => {
    // Another process may have made it in between.
    if (cause.code !== 'EEXIST' || (await kindOfPath(folder)) !== 'folder') throw cause;
  });
}

/** Makes new names and renames within a folder durable. Windows cannot open folders and needs no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all of the bytes, at a place or behind what was written last: a single call may write fewer. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, place?: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const at = place === undefined ? null : place + done;
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, readAtMost), at);
    done += bytesWritten;
  }
}
