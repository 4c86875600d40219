/**
 * Which pictures have become which kept features: samples whose features are on the disk are put into batches with them, and
 * their pictures are not decoded again. A picture is known by its file as it was then, or by its bytes.
 *
 * M pictures, K of them kept, P places, E width
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, statSync } from 'node:fs';
import type { PictureData, SeenPictures } from '../data/index.js';
import type { HostArrays } from '../system/index.js';
import { bytesOf, type HostArray, sizeOf, sliceRows } from '../tensor/index.js';
import type { FeatureStore } from './feature-store.js';

/** What a batch has in place of the pixels of some pictures: their features [K, P, E], and of each of all, bool [M], whether it is one of them. */
export const keptStates = 'kept_states';
export const keptRows = 'kept_rows';

/** What is kept of a picture, and where. */
export interface Keeping {
  readonly store: Pick<FeatureStore, 'read'>;
  /** Of one picture's features. */
  readonly shape: readonly number[];
}

/** The pictures of a sample as its model takes them, and how they were laid out. */
export interface Sight extends SeenPictures {
  readonly pictures: HostArrays;
}

export interface PictureMemory {
  /** Begins or ends to give what is kept there: where nothing is, nothing is remembered. */
  use(keeping: Keeping | undefined): void;
  /** The features of a sample's pictures where all are kept, otherwise what `see` gives, which is remembered. */
  look(pictures: readonly PictureData[], see: () => Promise<Sight>): Promise<Sight>;
}

interface Known extends Pick<SeenPictures, 'layouts'> {
  /** Of each row of the sample's pictures, in one buffer. */
  readonly keys: Buffer;
}

/** Some two hundred bytes each. */
const mostKnown = 2 ** 18;
const keyBytes = 32;

export function createPictureMemory(): PictureMemory {
  const known = new Map<string, Known>();
  let keeping: Keeping | undefined;
  return {
    use(given) {
      keeping = given;
    },
    async look(pictures, see) {
      const name = keeping && pictures.length > 0 ? nameOf(pictures) : undefined;
      if (!keeping || name === undefined) return see();
      const before = known.get(name);
      const kept = before && (await readAll(keyBuffers(before.keys), keeping));
      if (kept) return { pictures: { [keptStates]: kept }, tensors: {}, layouts: before.layouts };
      const seen = await see();
      if (!before && known.size < mostKnown) {
        known.set(name, { layouts: seen.layouts, keys: Buffer.concat(pictureKeys(seen.pictures)) });
      }
      return seen;
    },
  };
}

/** A hash of each row of a batch's pictures. */
export function pictureKeys(pictures: HostArrays): Buffer[] {
  const arrays = Object.values(pictures);
  return Array.from({ length: arrays[0]?.shape[0] ?? 0 }, (_, i) => {
    const hash = createHash('sha256');
    for (const array of arrays) hash.update(bytesOf(sliceRows(array, i, i + 1)));
    return hash.digest();
  });
}

const keyBuffers = (keys: Buffer): Buffer[] =>
  Array.from({ length: keys.length / keyBytes }, (_, i) => keys.subarray(i * keyBytes, (i + 1) * keyBytes));

async function readAll(keys: readonly Buffer[], { store, shape }: Keeping): Promise<HostArray | undefined> {
  const size = sizeOf(shape);
  const data = new Float32Array(keys.length * size);
  for (const [i, key] of keys.entries()) {
    const row = await store.read(key);
    if (!row) return undefined;
    data.set(row, i * size);
  }
  return { dtype: 'f32', shape: [keys.length, ...shape], data };
}

/** What tells pictures apart; undefined where a file is not there, which whoever reads it tells. */
function nameOf(pictures: readonly PictureData[]): string | undefined {
  const hash = createHash('sha256');
  for (const picture of pictures) {
    if (typeof picture === 'string') {
      const found = statOf(picture);
      if (!found) return undefined;
      hash.update(JSON.stringify([picture, ...[found.size, found.mtimeNs, found.ctimeNs, found.ino].map(String)]));
    } else {
      hash.update(createHash('sha256').update(picture).digest());
    }
  }
  return hash.digest('base64');
}

/** Not by a thread: to be handed the question would take it longer, by far, than to answer it. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}
