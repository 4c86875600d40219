/**
 * Rows of numbers on the disk, found again by a hash of what they were made of. Each process appends to a file of its own
 * and reads those of all. A record is its key, the digest of its row, and the row: one that a kill has cut short is written
 * over, one that a power cut has spoilt is not believed.
 */
import { createHash } from 'node:crypto';
import { constants, type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../checkpoint/index.js';
import { closeAll, QuintetError, writeError } from '../tensor/index.js';

export interface FeatureStore {
  /** The row of a key; undefined where there is none, or not the one that was written. */
  read(key: Buffer): Promise<Float32Array | undefined>;
  /** Keeps a row, unless the store or the disk is full. */
  write(key: Buffer, row: Float32Array): Promise<void>;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** Numbers of a row. */
  readonly size: number;
  /** Of what all rows were made by: files of another name are removed. */
  readonly name: string;
  /** Which of the processes this one is: it writes the file of that number. */
  readonly rank: number;
  /** Bytes that the file of this process may have. */
  readonly limit: number;
  /** Told, once, why no more can be written. */
  readonly onFull?: ((error: QuintetError) => void) | undefined;
}

interface Place {
  readonly file: FileHandle;
  readonly from: number;
}

const hashBytes = 32;
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export async function openFeatureStore(
  folder: string,
  { size, name, rank, limit, onFull = () => {} }: StoreOptions,
): Promise<FeatureStore> {
  const record = 2 * hashBytes + 4 * size;
  const files: FileHandle[] = [];
  const close = (): Promise<void> => closeAll(...files);
  const places = new Map<string, Place>();
  const lookInto = async (file: FileHandle): Promise<number> => {
    files.push(file);
    const count = Math.floor((await file.stat()).size / record);
    for (let i = 0; i < count; i++) {
      const key = await readAt({ file, from: i * record }, hashBytes);
      places.set(key.toString('hex'), { file, from: i * record });
    }
    return count * record;
  };
  try {
    await makeFolder(folder);
    const own = `${name}.${rank}`;
    for (const other of await namesIn(folder)) {
      if (!other.startsWith(`${name}.`)) await rm(join(folder, other), { force: true });
      else if (other !== own) await lookInto(await open(join(folder, other), 'r'));
    }
    const file = await open(join(folder, own), constants.O_RDWR | constants.O_CREAT);
    let end = await lookInto(file);
    let isFull = false;
    /** Gives half of the room back: on a full disk checkpoints have none either. */
    const giveUp = async (cause: unknown): Promise<void> => {
      if (isFull) return;
      isFull = true;
      const rest = Math.floor(end / record / 2) * record;
      for (const [key, place] of places) if (place.file === file && place.from >= rest) places.delete(key);
      await file.truncate(rest).catch(() => {}); // why nothing more is kept is told
      onFull(writeError(join(folder, own), cause, 'no more features of pictures are kept, the others computed again'));
    };
    return {
      async read(key) {
        const place = places.get(key.toString('hex'));
        if (!place) return undefined;
        const bytes = await readAt(place, record);
        const row = Uint8Array.from(bytes.subarray(2 * hashBytes));
        const isWhole = sha256(row).equals(bytes.subarray(hashBytes, 2 * hashBytes));
        return isWhole ? new Float32Array(row.buffer) : undefined;
      },
      async write(key, row) {
        if (isFull || end + record > limit) return;
        const from = end;
        end += record;
        const bytes = new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
        try {
          const { bytesWritten } = await file.write(Buffer.concat([key, sha256(bytes), bytes]), 0, record, from);
          if (bytesWritten < record) throw new Error(`${bytesWritten} of ${record} bytes were written`);
          if (!isFull) places.set(key.toString('hex'), { file, from });
        } catch (cause) {
          await giveUp(cause);
        }
      },
      close,
    };
  } catch (error) {
    await close().catch(() => {}); // why they cannot be kept is told
    throw new QuintetError('unsupported', 'features of pictures cannot be kept there', {
      at: folder,
      hint: 'make room for them, or write cacheFeatures: false',
      cause: error as Error,
    });
  }
}

/** The files of all processes. */
async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.\d+$/.test(name));
}

async function readAt({ file, from }: Place, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
  return buffer.subarray(0, bytesRead);
}
