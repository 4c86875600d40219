/** Scripts for tests that start processes of their own. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { onTestFinished } from 'vitest';

/** A TypeScript file with all that it imports from the project as one script, which lasts as long as the test. */
export function bundled(file: URL): string {
  // Where the packages are found that the bundle leaves outside.
  const folder = new URL(`../node_modules/.quintet-test-${process.pid}/`, import.meta.url).pathname;
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'script.mjs');
  buildSync({
    entryPoints: [file.pathname],
    outfile,
    ...{ bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20' },
  });
  return outfile;
}
