/**
 * What pictures need of Node: sharp, and files. The field `browser` of package.json keeps this file out of what is bundled
 * for browsers.
 */
import { readFile, stat } from 'node:fs/promises';
import { fileError, QuintetError } from '../tensor/index.js';

export { decodeWithSharp, encodeWithSharp } from './sharp.js';

/** The bytes of a file of at most `most` bytes, by its path or file: URL. */
export async function readFileWithin(source: string, most: number, at: string): Promise<Uint8Array> {
  const path = /^file:/i.test(source) ? new URL(source) : source;
  try {
    const found = await stat(path);
    // Devices and pipes have no size to check and may never end.
    if (!found.isFile()) throw new QuintetError('media', 'not a file', { at });
    if (found.size > most) throw new QuintetError('limit', `${found.size} bytes; at most ${most} are read`, { at });
    return await readFile(path);
  } catch (cause) {
    throw fileError(at, cause, { missing: 'no such picture' });
  }
}
