/** A safetensors file that holds its own digest: what was damaged later can be told, and loading it reads no more than before. */

import { createHash, type Hash } from 'node:crypto';
import { nextTurn } from '../tensor/index.js';
import { fileSource } from './file.js';

/** The digest is the first of the metadata, so that its place is always the same; while it is reckoned zeros stand there. */
const lead = '{"__metadata__":{"sha256":"';
export const digestPlace = 8 + lead.length;
export const noDigest = '0'.repeat(64);

const windowBytes = 2 ** 22;

/** Takes bytes into a digest, with turns for whatever else waits. */
export async function updateInTurns(hash: Hash, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += windowBytes) {
    hash.update(bytes.subarray(at, at + windowBytes));
    await nextTurn();
  }
}

/** Whether a file's bytes are those that were written; undefined where its beginning is not that of a digest. */
export async function isAsWritten(file: string): Promise<boolean | undefined> {
  const source = await fileSource(file);
  try {
    const end = digestPlace + noDigest.length;
    const start = await source.read(0, Math.min(end, source.size));
    const text = new TextDecoder('latin1').decode(start);
    if (text.slice(8, digestPlace) !== lead) return undefined;
    const hash = createHash('sha256').update(start.subarray(0, digestPlace)).update(noDigest);
    for (let at = end; at < source.size; at += windowBytes) {
      hash.update(await source.read(at, Math.min(windowBytes, source.size - at)));
    }
    return hash.digest('hex') === text.slice(digestPlace);
  } finally {
    await source.close();
  }
}
