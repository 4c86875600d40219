/** Downloading one file whose hash and size are known: resumed where it broke off, hashed as it comes, renamed only when right. */

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { QuintetError, writeError } from '../tensor/index.js';
import { writeFully } from './file.js';
import { type HubConnection, hubFetch, isTransient, readChunks } from './hub-http.js';

export interface HubProgress {
  readonly file: string;
  /** Bytes that are there, of `total`. */
  readonly received: number;
  readonly total: number;
}

export interface Patience {
  /** Attempts without a new byte before giving up. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly pause: number;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly stall: number;
}

export const usualPatience: Patience = { attempts: 5, pause: 500, stall: 30_000 };

/** From where files come, and how. */
export interface Transfer {
  readonly hub: HubConnection;
  readonly patience: Patience;
  readonly onProgress: (progress: HubProgress) => void;
}

export interface RemoteFile {
  /** In messages. */
  readonly path: string;
  readonly url: string;
  /** SHA-256 of the content, or git's SHA-1. */
  readonly hash: string;
  readonly size: number;
  /** What a refusing status means. */
  readonly refused: (status: number) => QuintetError;
}

const transient = Symbol('may succeed later');

/** A refusal that may pass is marked by its cause, for `retrying` to tell it from a lasting one. */
export function refusal(status: number, error: QuintetError): QuintetError {
  // 416: what an earlier download has left does not fit, and is thrown away before the next attempt.
  return isTransient(status) || status === 416
    ? new QuintetError('network', error.message, { cause: transient })
    : error;
}

/** Repeats what failed for want of a connection, as long as `progress` grows or attempts are left. */
export async function retrying<T>(
  { hub, patience: { attempts, pause } }: Transfer,
  action: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  let before = progress();
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof QuintetError) || error.code !== 'network' || error.cause === undefined) throw error;
      if (progress() > before) attempt = 1;
      before = progress();
      if (attempt >= attempts) throw error;
      const delay = pause * 2 ** (attempt - 1);
      await wait(delay, undefined, hub.signal === undefined ? {} : { signal: hub.signal }).catch((cause: Error) => {
        throw new QuintetError('aborted', 'the download was cancelled', { cause });
      });
    }
  }
}

/** Brings a file to a path, whose folder is there. Fails with 'network', 'integrity', 'io', 'aborted' or as `refused` says. */
export async function fetchFile(transfer: Transfer, file: RemoteFile, path: string): Promise<void> {
  const partial = `${path}.incomplete`;
  try {
    const handle = await open(partial, 'a+');
    try {
      const download = await resume(handle, partial, file);
      report(transfer, download);
      await retrying(
        transfer,
        () => fetchRest(transfer, download),
        () => download.received,
      );
      if (download.hash.digest('hex') !== file.hash) {
        await rm(partial, { force: true });
        throw new QuintetError('integrity', `${file.path}: the bytes received do not have the hash ${file.hash}`, {
          hint: 'They were thrown away; download again.',
        });
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (cause) {
    throw writeError(path, cause);
  }
}

interface Download {
  readonly wanted: RemoteFile;
  readonly handle: FileHandle;
  /** Of the bytes received so far. */
  hash: Hash;
  received: number;
}

function report({ onProgress }: Transfer, { wanted, received }: Download): void {
  onProgress({ file: wanted.path, received, total: wanted.size });
}

/** Takes up what an interrupted download has left, hashing it again. */
async function resume(handle: FileHandle, partial: string, wanted: RemoteFile): Promise<Download> {
  const { size } = await handle.stat();
  const download: Download = { wanted, handle, hash: newHash(wanted), received: 0 };
  if (size > wanted.size) await handle.truncate(0);
  else if (size > 0) {
    for await (const chunk of createReadStream(partial, { end: size - 1 })) download.hash.update(chunk as Buffer);
    download.received = size;
  }
  return download;
}

/** SHA-256 of the content, or git's name of a blob: SHA-1 of "blob", its length and its content. */
function newHash({ hash, size }: RemoteFile): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** Requests what is still missing and appends it. */
async function fetchRest(transfer: Transfer, download: Download): Promise<void> {
  const { path, url, size, refused } = download.wanted;
  if (download.received === size) return;
  const { hub, patience } = transfer;
  const stalled = new AbortController();
  const silence = new Error(`no byte in ${patience.stall / 1000} s`);
  const timer = setTimeout(() => stalled.abort(silence), patience.stall);
  try {
    const headers: Record<string, string> = download.received > 0 ? { range: `bytes=${download.received}-` } : {};
    const response = await hubFetch(hub, url, { headers, signal: stalled.signal });
    if (response.status >= 400) await response.body?.cancel();
    if (response.status === 416) await restart(download);
    if (response.status >= 400) throw refusal(response.status, refused(response.status));
    if (download.received > 0 && !continues(response, download.received)) await restart(download);
    await checkLength(response, download);
    await readChunks(hub, response, async (chunk) => {
      timer.refresh();
      if (download.received + chunk.byteLength > size) {
        throw new QuintetError('integrity', `${path}: the server sends more than the ${size} bytes announced`);
      }
      await writeFully(download.handle, chunk);
      download.hash.update(chunk);
      download.received += chunk.byteLength;
      report(transfer, download);
    });
  } finally {
    clearTimeout(timer);
  }
  if (download.received < size) {
    const message = `${path}: the connection ended at byte ${download.received} of ${size}`;
    throw new QuintetError('network', message, {
      cause: transient,
      hint: 'Run it again: it goes on where it stopped.',
    });
  }
}

/** Whether an answer goes on at the byte that was asked for; servers may send the whole file instead. */
function continues(response: Response, from: number): boolean {
  return response.status === 206 && (response.headers.get('content-range') ?? '').startsWith(`bytes ${from}-`);
}

/** What is to come is what is missing: an answer of another length is another file, or another version of it. */
async function checkLength({ headers, body }: Response, { wanted: { path, size }, received }: Download): Promise<void> {
  const length = headers.get('content-length');
  // Compressed bytes have a length of their own.
  if (length === null || headers.has('content-encoding') || received + Number(length) === size) return;
  await body?.cancel();
  throw new QuintetError('integrity', `${path}: there are ${received + Number(length)} bytes of it, not ${size}`);
}

async function restart(download: Download): Promise<void> {
  await download.handle.truncate(0);
  download.hash = newHash(download.wanted);
  download.received = 0;
}
