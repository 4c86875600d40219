/**
 * Tensors that are made of a checkpoint's once and kept in a file: quantised weights. Several processes may make the same
 * one, and a crash leaves no half of it under its name.
 */
import { dirname, join, resolve } from 'node:path';
import { arrayOfBytes, type InitializerSource, QuintetError } from '../tensor/index.js';
import { fileSource, kindOfPath, makeFolder } from './file.js';
import { openSafetensors } from './safetensors-checkpoint.js';
import { writeSafetensors } from './safetensors-write.js';

export interface DerivedTensor {
  readonly name: string;
  /** In bytes. */
  readonly length: number;
  make(): Promise<Uint8Array>;
}

export interface DerivedOptions {
  /** Where such files are kept; undefined keeps the tensors in memory. */
  readonly folder: string | undefined;
  /** What they are made of: the file's metadata say it, for whoever looks through the folder. */
  readonly source?: string;
  /** Called before each tensor that is made, and after the last one. */
  readonly onProgress?: (made: number, total: number) => void;
}

type Places = ReadonlyMap<string, InitializerSource>;

/** Files that this process is making. */
const making = new Map<string, Promise<Places>>();

/** Places of the tensors, by name: from the file of that key, which is made where it is not there. */
export async function derivedTensors(
  key: string,
  tensors: readonly DerivedTensor[],
  options: DerivedOptions,
): Promise<Places> {
  if (options.folder === undefined) return inMemory(tensors, options.onProgress);
  const file = join(options.folder, `${key}.safetensors`);
  const begun = making.get(file) ?? inFile(file, tensors, options).finally(() => making.delete(file));
  making.set(file, begun);
  return begun;
}

async function inFile(
  file: string,
  tensors: readonly DerivedTensor[],
  { source, onProgress }: DerivedOptions,
): Promise<Places> {
  const found = await placesIn(file, tensors);
  if (found) return found;
  try {
    await makeFolder(dirname(file));
    let made = 0;
    const lazy = tensors.map(({ name, length, make }) => {
      const read = async () => {
        onProgress?.(made++, tensors.length);
        return arrayOfBytes('u8', [length], await make());
      };
      return [name, { dtype: 'u8', shape: [length], read }] as const;
    });
    await writeSafetensors(file, lazy, {
      digest: true,
      metadata: source === undefined ? {} : { source: resolve(source) },
    });
    onProgress?.(made, tensors.length);
  } catch (cause) {
    // A disk that takes no file is no reason not to answer: the next process makes the tensors again.
    if (cause instanceof QuintetError && cause.code !== 'io' && cause.code !== 'not-found') throw cause;
    return inMemory(tensors, onProgress);
  }
  const places = await placesIn(file, tensors);
  if (!places) throw new QuintetError('io', 'the file is not what was written to it', { at: file });
  return places;
}

async function inMemory(tensors: readonly DerivedTensor[], onProgress: DerivedOptions['onProgress']): Promise<Places> {
  const places = new Map<string, InitializerSource>();
  for (const { name, make } of tensors) {
    onProgress?.(places.size, tensors.length);
    places.set(name, { bytes: await make() });
  }
  onProgress?.(tensors.length, tensors.length);
  return places;
}

/** Where the tensors lie in a file; undefined where there is no such file, or one that is damaged. */
async function placesIn(file: string, tensors: readonly DerivedTensor[]): Promise<Places | undefined> {
  if ((await kindOfPath(file)) !== 'file') return undefined;
  try {
    const checkpoint = await openSafetensors(await fileSource(file));
    await checkpoint.close();
    const places = new Map<string, InitializerSource>();
    for (const { name, length } of tensors) {
      const stored = checkpoint.tensors.get(name);
      if (stored?.shape[0] !== length) return undefined;
      places.set(name, stored.source);
    }
    return places;
  } catch {
    return undefined;
  }
}

/** What lies at a place. */
export async function bytesAt(place: InitializerSource): Promise<Uint8Array> {
  if ('bytes' in place) return place.bytes;
  const source = await fileSource(place.file);
  try {
    return await source.read(place.offset, place.length);
  } finally {
    await source.close();
  }
}
