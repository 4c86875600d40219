/** Files told apart without reading them as a whole. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fileError } from '../tensor/index.js';
import { fileSource } from './file.js';
import { sample } from './source.js';

const windows = 64;

/**
 * A short text that another content, another file or another purpose changes: hashed over sizes, times of change and windows
 * spread evenly over the files, since reading all of them would take as long as loading them.
 */
export async function fingerprint(files: readonly string[], purpose: string): Promise<string> {
  const hash = createHash('sha256').update(purpose);
  for (const file of files) {
    const { size, mtimeNs } = await stat(file, { bigint: true }).catch((cause: Error) => {
      throw fileError(file, cause);
    });
    hash.update(`\n${size} ${mtimeNs}\n`);
    const source = await fileSource(file);
    try {
      for (const bytes of await sample(source, { offset: 0, length: source.size }, windows)) hash.update(bytes);
    } finally {
      await source.close();
    }
  }
  return hash.digest('hex').slice(0, 32);
}
