/**
 * Sessions of the same graph over the same files: made once, however often a model is loaded, and freed with their last
 * user. Two are the same when they would be made of the same bytes.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import type { OnnxModel } from '../onnx/index.js';
import type { SessionOptions } from './engine.js';
import type { OrtApi, Pointer } from './native-api.js';
import type { Weights } from './native-weights.js';

/** A session of the C API, and who uses it. */
export interface SharedSession {
  readonly pointer: Pointer;
  /** Gives the session up; the last one to do so frees it. */
  release(): Promise<void>;
}

interface Entry {
  readonly pointer: Promise<Pointer>;
  /** What it was made of: it goes on reading values in memory of its first user. */
  readonly model: OnnxModel;
  users: number;
}

const entries = new Map<string, Entry>();

/** Values in memory beyond this are not compared: they are weights, of a model that nobody else has. */
const mostBytes = 2 ** 20;

/** The session that `make` makes, or the one that was made of the same. */
export async function sharedSession(
  api: OrtApi,
  { key, model }: { readonly key: string | undefined; readonly model: OnnxModel },
  make: () => Promise<Pointer>,
): Promise<SharedSession> {
  const free = (pointer: Pointer): Promise<void> => api.callAsync('ReleaseSession', pointer);
  if (key === undefined) {
    const pointer = await make();
    return { pointer, release: () => free(pointer) };
  }
  const entry = entries.get(key) ?? { pointer: make(), model, users: 0 };
  entries.set(key, entry);
  entry.users++;
  try {
    const pointer = await entry.pointer;
    return {
      pointer,
      async release() {
        if (--entry.users > 0) return;
        entries.delete(key);
        await free(pointer);
      },
    };
  } catch (error) {
    if (entries.get(key) === entry) entries.delete(key);
    throw error;
  }
}

/** What a session is made of, as a short text; undefined where it is made for one user alone. */
export function sessionKey(
  api: OrtApi,
  { model, bytes, weights }: { readonly model: OnnxModel; readonly bytes: Uint8Array; readonly weights: Weights },
  options: SessionOptions,
): string | undefined {
  const inMemory = weights.handed.reduce((sum, { bytes: own }) => sum + own.byteLength, 0);
  const files = new Set(model.initializers.flatMap(({ source }) => ('file' in source ? [source.file] : [])));
  if (options.profile !== undefined || files.size === 0 || inMemory > mostBytes) return undefined;
  const hash = createHash('sha256')
    .update(JSON.stringify([api.path, options, weights.folder]))
    .update(bytes);
  for (const { name, bytes: own } of weights.handed) hash.update(name).update(own);
  for (const file of files) {
    const { size, mtimeNs, ino } = statSync(file, { bigint: true });
    hash.update(`${file} ${size} ${mtimeNs} ${ino}`);
  }
  return hash.digest('hex');
}
