/** A model folder that a web server holds, downloaded into memory. Works in browsers and in Node. */

import { QuintetError } from '../tensor/index.js';
import { largestFile } from './folder-files.js';
import type { MemoryFiles } from './memory-folder.js';
import { largestIndex, parseShardIndex } from './shard-index.js';
import { allocate, textOf } from './source.js';

export interface DownloadProgress {
  readonly file: string;
  /** Bytes of the file that are there, of `total` where the server says how many there will be. */
  readonly received: number;
  readonly total: number | undefined;
}

export interface DownloadOptions {
  /** Most bytes of all weights together; default 2 GiB, which in WebAssembly's 4 GiB stand once more. */
  readonly weightBytes?: number;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** Default the platform's own. */
  readonly fetch?: typeof fetch;
}

/** What a chat needs of a folder; `config.json` has to be there. */
const beside = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'chat_template.jinja',
  'chat_template.json',
];

/**
 * The files of the folder at `base`, or of the one .gguf file that `base` is. A hub's folder is
 * `https://huggingface.co/ORG/NAME/resolve/main/`. Fails with 'network', 'not-found', 'limit' or 'aborted'.
 */
export async function downloadFolder(base: string | URL, options: DownloadOptions = {}): Promise<MemoryFiles> {
  const address = new URL(base);
  const room: Room = { left: options.weightBytes ?? 2 ** 31 };
  const file = address.pathname.split('/').at(-1) ?? '';
  if (file.endsWith('.gguf')) return new Map([[file, await weights(address, room, options)]]);
  if (!address.pathname.endsWith('/')) address.pathname += '/';
  const files = new Map<string, Uint8Array>();
  const small = async (name: string): Promise<void> => {
    const bytes = await download(inside(address, name), { ...options, limit: largestFile(name) });
    if (bytes) files.set(name, bytes);
  };
  await Promise.all(beside.map(small));
  if (!files.has('config.json')) {
    throw new QuintetError('not-found', 'no config.json at this address', {
      at: address.href,
      hint: 'give the address of a folder in the published format, or of a .gguf file',
    });
  }
  for (const [name, bytes] of await downloadWeights(address, room, options)) files.set(name, bytes);
  return files;
}

/** How many bytes of weights may still come. */
interface Room {
  left: number;
}

async function downloadWeights(folder: URL, room: Room, options: DownloadOptions): Promise<MemoryFiles> {
  const single = 'model.safetensors';
  const bytes = await download(inside(folder, single), { ...options, limit: room.left });
  if (bytes) return new Map([[single, bytes]]);
  const name = `${single}.index.json`;
  const at = inside(folder, name).href;
  const index = await download(inside(folder, name), { ...options, limit: largestIndex });
  if (!index) throw new QuintetError('not-found', `neither ${single} nor ${name} is there`, { at: folder.href });
  const { shards } = parseShardIndex(textOf(index, at), at);
  const files = new Map([[name, index]]);
  for (const shard of shards) files.set(shard, await weights(inside(folder, shard), room, options));
  return files;
}

async function weights(url: URL, room: Room, options: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await download(url, { ...options, limit: room.left });
  if (!bytes) throw new QuintetError('not-found', 'the server has no such file', { at: url.href });
  room.left -= bytes.byteLength;
  return bytes;
}

/** A file of the folder, with what the folder's address may carry behind a question mark. */
function inside(folder: URL, name: string): URL {
  const url = new URL(name, folder);
  url.search = folder.search;
  return url;
}

/** The bytes at an address, at most `limit` of them; undefined where there is no such file. */
export async function download(
  url: URL,
  { limit, onProgress, signal, fetch = globalThis.fetch }: DownloadOptions & { readonly limit: number },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const at = url.href;
  const failed = (cause: unknown): QuintetError => {
    if (cause instanceof QuintetError) return cause;
    if (signal?.aborted) return new QuintetError('aborted', 'the download was cancelled', { at, cause });
    return new QuintetError('network', `no answer: ${(cause as Error).message}`, {
      at,
      cause,
      hint: 'Check the connection. A page may read from another host only where that host allows it (CORS).',
    });
  };
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (isMissing(response)) {
      await response.body?.cancel();
      return undefined;
    }
    if (!response.ok) throw new QuintetError('network', `the server answers with status ${response.status}`, { at });
    const file = url.pathname.split('/').at(-1) as string;
    return await readBody(response, {
      at,
      limit,
      report: (received, total) => onProgress?.({ file, received, total }),
    });
  } catch (cause) {
    throw failed(cause);
  }
}

/** Storage without a listing answers 403 for what is not there; servers of single-page applications, with their page. */
function isMissing({ status, headers }: Response): boolean {
  return [403, 404, 410].includes(status) || (headers.get('content-type') ?? '').startsWith('text/html');
}

interface Reading {
  readonly at: string;
  readonly limit: number;
  readonly report: (received: number, total: number | undefined) => void;
}

async function readBody(response: Response, { at, limit, report }: Reading): Promise<Uint8Array<ArrayBuffer>> {
  const check = (size: number): void => {
    if (size > limit) throw new QuintetError('limit', `${size} bytes or more; at most ${limit} are read`, { at });
  };
  const total = announced(response);
  check(total ?? 0);
  let bytes = allocate(total ?? 2 ** 16, at);
  let received = 0;
  report(received, total);
  const reader = response.body?.getReader();
  try {
    for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
      const end = received + chunk.value.byteLength;
      check(end);
      if (end > bytes.byteLength) bytes = enlarged(bytes, 2 * end, at);
      bytes.set(chunk.value, received);
      received = end;
      report(received, total);
    }
  } finally {
    await reader?.cancel().catch(() => {}); // a broken connection is already closed
  }
  return bytes.subarray(0, received);
}

/** What the header says. Another host's server may hide that this counts compressed bytes, so it is only a first guess. */
function announced({ headers }: Response): number | undefined {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

function enlarged(bytes: Uint8Array, size: number, at: string): Uint8Array<ArrayBuffer> {
  const larger = allocate(size, at);
  larger.set(bytes);
  return larger;
}
