/**
 * One checkpoint as a folder: `manifest.json` (sizes and SHA-256 of the other files), `state.json`, and an array a file.
 * Every file is flushed to the disk before the folder counts as written.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../checkpoint/index.js';
import { fields, fileError, isNowhere, parseJson, QuintetError } from '../tensor/index.js';

/** What a checkpoint holds. Must not change while it is saved. */
export interface Snapshot {
  /** Steps done. */
  readonly step: number;
  /** The state of the loop, as JSON (which keeps finite numbers exactly): data position, random states, losses so far. */
  readonly state: unknown;
  /** Named bytes, such as the regions of an arena. */
  readonly arrays: Readonly<Record<string, Uint8Array>>;
}

/** A checkpoint whose checksums were right. */
export interface SavedSnapshot {
  readonly folder: string;
  readonly step: number;
  readonly state: unknown;
  /** The size of each array in bytes. */
  readonly arrays: Readonly<Record<string, number>>;
  /** Reads an array into memory of exactly its size. */
  read(name: string, into: Uint8Array): Promise<void>;
}

const stateFile = 'state.json';
const manifestFile = 'manifest.json';
const extension = '.bin';
const chunkBytes = 2 ** 22;

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Writes a checkpoint into a folder that does not exist yet. */
export async function writeSnapshot(folder: string, { step, state, arrays }: Snapshot): Promise<void> {
  await mkdir(folder);
  const contents: Record<string, Uint8Array> = { [stateFile]: utf8(JSON.stringify(state ?? null)) };
  for (const [name, bytes] of Object.entries(arrays)) contents[`${checkedName(name)}${extension}`] = bytes;
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const [name, bytes] of Object.entries(contents)) {
    files[name] = { bytes: bytes.byteLength, sha256: await writeFlushed(join(folder, name), bytes) };
  }
  const manifest = { format: 1, step, files };
  await writeFlushed(join(folder, manifestFile), utf8(`${JSON.stringify(manifest, null, 2)}\n`));
  await syncFolder(folder);
}

function checkedName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)) return name;
  throw new QuintetError('name', `"${name}" cannot name an array of a checkpoint: use letters, digits, - and _`);
}

/** Writes a new file through to the disk; returns its SHA-256. */
async function writeFlushed(path: string, bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes);
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

interface Manifest {
  readonly step: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

async function readManifest(folder: string): Promise<Manifest> {
  const at = join(folder, manifestFile);
  const manifest = fields(parseJson(await readText(at), at, { size: 2 ** 20 }), at);
  if (manifest.whole('format') !== 1) {
    throw new QuintetError('format', `format ${manifest.whole('format')} is not known`, { at });
  }
  const files = manifest.object('files');
  return {
    step: manifest.whole('step'),
    files: Object.keys(files.raw).map((name) => {
      const file = files.object(name);
      return { name, bytes: file.whole('bytes'), sha256: file.text('sha256') };
    }),
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unread(path, cause);
  }
}

/** A file that is not there was lost; one that cannot be read just now is another matter. */
const unread = (path: string, cause: unknown): QuintetError =>
  isNowhere(cause) ? new QuintetError('integrity', 'is not there', { at: path, cause }) : fileError(path, cause);

/** Whether every file has its size: what can be seen without reading them. */
export async function looksWhole(folder: string): Promise<boolean> {
  try {
    const { files } = await readManifest(folder);
    const sizes = await Promise.all(files.map(({ name }) => stat(join(folder, name))));
    return files.every(({ bytes }, i) => sizes[i]?.size === bytes);
  } catch {
    return false;
  }
}

/** Reads a checkpoint's state; throws 'integrity' or 'format' where one byte of any file is not what was written. */
export async function readSnapshot(folder: string): Promise<SavedSnapshot> {
  const { step, files } = await readManifest(folder);
  for (const { name, bytes, sha256 } of files) {
    const path = join(folder, name);
    const found = await hashOf(path);
    if (found.bytes !== bytes || found.sha256 !== sha256) {
      throw new QuintetError('integrity', `${found.bytes} bytes that are not the ${bytes} that were saved`, {
        at: path,
      });
    }
  }
  const arrays = files.filter(({ name }) => name.endsWith(extension));
  const sizes = Object.fromEntries(arrays.map(({ name, bytes }) => [name.slice(0, -extension.length), bytes]));
  const at = join(folder, stateFile);
  return {
    folder,
    step,
    state: parseJson(await readText(at), at),
    arrays: sizes,
    async read(name, into) {
      const path = join(folder, `${name}${extension}`);
      if (sizes[name] !== into.byteLength) {
        throw new QuintetError('integrity', `${sizes[name] ?? 'no'} bytes saved, ${into.byteLength} wanted`, {
          at: path,
          hint: 'The run was started with other trained parts or sizes: go on with the same ones, or use another folder',
        });
      }
      await readInto(path, into);
    },
  };
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw unread(path, cause);
  }
  try {
    return await use(file);
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await file.close();
  }
}

function hashOf(path: string): Promise<{ bytes: number; sha256: string }> {
  return withFile(path, async (file) => {
    const hash = createHash('sha256');
    const chunk = new Uint8Array(chunkBytes);
    for (let bytes = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(chunk.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  });
}

function readInto(path: string, into: Uint8Array): Promise<void> {
  return withFile(path, async (file) => {
    for (let at = 0; at < into.byteLength; ) {
      const { bytesRead } = await file.read(into, at, Math.min(chunkBytes, into.byteLength - at), at);
      if (bytesRead === 0) throw new QuintetError('integrity', `ends after ${at} bytes`, { at: path });
      at += bytesRead;
    }
  });
}
