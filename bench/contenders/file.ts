/** Reading a file, and nothing else: what loading can at best come down to. */

import { open } from 'node:fs/promises';
import type { Program } from '../contender.js';
import type { Settings } from '../harness/benchmark.js';

export async function prepare({ path }: Settings): Promise<() => Promise<Program>> {
  return async () => {
    const file = await open(path as string);
    const block = new Uint8Array(2 ** 20);
    while ((await file.read(block)).bytesRead > 0);
    await file.close();
    return {};
  };
}
