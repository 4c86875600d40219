/**
 * Short texts that tell files from others. They are hashed over sizes and windows spread evenly over the files, since reading all
 * of them would take as long as loading them.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { fileError } from '../tensor/index.js';

const windowBytes = 4096;
const windows = 64;
/** Of content alone there are more windows: a part that was trained alone may be a hundredth of its model. */
const spacing = 2 ** 20;

/** A text that another content, another file, another time of change or another purpose changes. */
export async function fingerprint(files: readonly string[], purpose: string): Promise<string> {
  const hash = createHash('sha256').update(purpose);
  for (const file of files) await addFile(hash, file, { times: true, count: () => windows });
  return hash.digest('hex').slice(0, 32);
}

/** A text that another content changes, wherever the files lie and whenever they were written. */
export async function contentFingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const count = (size: number): number => Math.max(windows, Math.ceil(size / spacing));
  for (const file of files) await addFile(hash, file, { times: false, count });
  return hash.digest('hex').slice(0, 32);
}

interface Looking {
  /** Whether the time of change counts. */
  readonly times: boolean;
  /** How many windows a file of so many bytes has. */
  readonly count: (size: number) => number;
}

async function addFile(hash: Hash, file: string, { times, count }: Looking): Promise<void> {
  try {
    const { size, mtimeNs } = await stat(file, { bigint: true });
    hash.update(times ? `\n${size} ${mtimeNs}\n` : `\n${size}\n`);
    const handle = await open(file, 'r');
    try {
      const length = count(Number(size));
      for (let first = 0; first < length; first += windows) {
        const reads = Array.from({ length: Math.min(windows, length - first) }, (_, i) => {
          const from = Math.floor((Number(size) * (first + i)) / length);
          return handle.read(Buffer.alloc(windowBytes), 0, windowBytes, from);
        });
        for (const { buffer, bytesRead } of await Promise.all(reads)) hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(file, cause);
  }
}
