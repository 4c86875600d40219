/** Downloading one file of a hub into the cache: resumed where it broke off, hashed as it comes, renamed only when right. */

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileError, QuintetError } from '../tensor/index.js';
import { kindOfPath, writeFully } from './file.js';
import { type HubFile, linkBlob, makeFolder, type RepositoryCache, withLock } from './hub-cache.js';
import { type HubConnection, hubFetch, isTransient, readChunks, statusError } from './hub-http.js';

export interface HubProgress {
  readonly file: string;
  /** Bytes that are there, of `total`. */
  readonly received: number;
  readonly total: number;
}

interface Described {
  readonly url: string;
  /** The blob's name: SHA-256 of the content for large files, git's SHA-1 for others. */
  readonly hash: string;
  readonly size: number;
}

export interface Patience {
  /** Attempts without a new byte before giving up. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly pause: number;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly stall: number;
}

/** From where to where files go, and how. */
export interface Transfer {
  readonly hub: HubConnection;
  readonly cache: RepositoryCache;
  readonly patience: Patience;
  readonly onProgress: (progress: HubProgress) => void;
}

/** Puts a file into the cache unless it is there. Fails with 'network', 'not-found', 'integrity', 'io' or 'aborted'. */
export async function downloadFile(transfer: Transfer, file: HubFile): Promise<void> {
  const { hub, cache } = transfer;
  const described = await retrying(transfer, () => describe(hub, file));
  const blob = cache.blob(described.hash);
  if ((await kindOfPath(blob)) === undefined) {
    await makeFolder(dirname(blob));
    await withLock(cache.lock(described.hash), hub.signal, async () => {
      // Another process may have fetched it while this one waited.
      if ((await kindOfPath(blob)) === undefined) await fetchBlob(transfer, file, described);
    });
  }
  await linkBlob(cache, file, described.hash);
}

/** What the hub says of a file: its hash and size. Large files say so in the redirect to where they are stored. */
async function describe(hub: HubConnection, file: HubFile): Promise<Described> {
  const { repository, commit, path } = file;
  const url = `${hub.endpoint}/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const response = await hubFetch(hub, url, { method: 'HEAD', leaveHost: false });
  if (response.status >= 400) throw refusal(hub, response.status, file);
  const tag = response.headers.get('x-linked-etag') ?? response.headers.get('etag') ?? '';
  const hash = tag.replace(/^W\//, '').replaceAll('"', '');
  const size = Number(response.headers.get('x-linked-size') ?? response.headers.get('content-length') ?? Number.NaN);
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) || !Number.isSafeInteger(size)) {
    const hint = 'Is the endpoint a Hugging Face hub?';
    throw new QuintetError('network', `${path}: the hub gives no hash and size of this file`, { hint });
  }
  return { url, hash, size };
}

/** A refusal that may pass is marked by its cause, for `retrying` to tell it from a lasting one. */
function refusal(hub: HubConnection, status: number, { repository, path }: HubFile): QuintetError {
  const error = statusError(hub, status, `${repository}/${path}`);
  // 416: what an earlier download has left does not fit, and is thrown away before the next attempt.
  return isTransient(status) || status === 416
    ? new QuintetError('network', error.message, { cause: transient })
    : error;
}

const transient = Symbol('may succeed later');

/** Repeats what failed for want of a connection, as long as `progress` grows or attempts are left. */
async function retrying<T>(
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

async function fetchBlob(transfer: Transfer, file: HubFile, described: Described): Promise<void> {
  const blob = transfer.cache.blob(described.hash);
  const partial = `${blob}.incomplete`;
  try {
    const handle = await open(partial, 'a+');
    try {
      const download = await resume(handle, partial, { ...described, file });
      report(transfer, download);
      await retrying(
        transfer,
        () => fetchRest(transfer, download),
        () => download.received,
      );
      if (download.hash.digest('hex') !== described.hash) {
        await rm(partial, { force: true });
        throw new QuintetError('integrity', `${file.path}: the bytes received do not have the hash ${described.hash}`, {
          hint: 'They were thrown away; download again.',
        });
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, blob);
  } catch (cause) {
    throw cause instanceof QuintetError ? cause : fileError(blob, cause);
  }
}

interface Wanted extends Described {
  readonly file: HubFile;
}

interface Download {
  readonly wanted: Wanted;
  readonly handle: FileHandle;
  /** Of the bytes received so far. */
  hash: Hash;
  received: number;
}

function report({ onProgress }: Transfer, { wanted, received }: Download): void {
  onProgress({ file: wanted.file.path, received, total: wanted.size });
}

/** Takes up what an interrupted download has left, hashing it again. */
async function resume(handle: FileHandle, partial: string, wanted: Wanted): Promise<Download> {
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
function newHash({ hash, size }: Described): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** Requests what is still missing and appends it. */
async function fetchRest(transfer: Transfer, download: Download): Promise<void> {
  const { file, url, size } = download.wanted;
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
    if (response.status >= 400) throw refusal(hub, response.status, file);
    if (download.received > 0 && !continues(response, download.received)) await restart(download);
    await readChunks(hub, response, async (chunk) => {
      timer.refresh();
      if (download.received + chunk.byteLength > size) {
        throw new QuintetError('integrity', `${file.path}: the hub sends more than the ${size} bytes announced`);
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
    const message = `${file.path}: the connection ended at byte ${download.received} of ${size}`;
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

async function restart(download: Download): Promise<void> {
  await download.handle.truncate(0);
  download.hash = newHash(download.wanted);
  download.received = 0;
}
