/** What the system keeps of files in memory. */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Makes the system forget files, and all within folders; whether it could (GNU dd is needed). */
export function dropFromMemory(paths: readonly string[]): boolean {
  return paths
    .filter((path) => existsSync(path))
    .flatMap(filesWithin)
    .every(dropFile);
}

function filesWithin(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesWithin(join(path, name)));
}

function dropFile(path: string): boolean {
  // Pages that are not on the disk yet stay.
  spawnSync('sync', [path]);
  return spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']).status === 0;
}
