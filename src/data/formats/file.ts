/** Files that are read in places. */

import { type FileHandle, open } from 'node:fs/promises';
import { closeOnFailure, fileError, QuintetError } from '../../tensor/index.js';

/** Opens a file of data. Throws 'not-found' or 'io'. */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw fileError(path, cause, { failed: 'cannot be opened' });
  }
}

/** The bytes from `start` to `end`, which the file has. */
export async function readBytes(file: FileHandle, start: number, end: number, at: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new QuintetError('io', 'the file was cut while it was read', { at });
    done += bytesRead;
  }
  return bytes;
}

/** Bytes as UTF-8. */
export function textOf(bytes: Uint8Array, at: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new QuintetError('data', 'not UTF-8', { at, cause });
  }
}

/** Opens a file for as long as records of it are read; closes it where they cannot be found. */
export async function openFor<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  return closeOnFailure([file], () => use(file));
}
