import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { literally } from './scripts/literally.js';
import { isBuilt } from './test/command.js';

/** What was built. */
const built = new RegExp(`^(?:file://)?${literally(import.meta.dirname)}/dist/`);

/** Files of a process of their own, since they measure what memory it needs. */
const measured = ['test/**/hostile.test.ts', 'test/model/memory.test.ts'];

export default defineConfig({
  // What `npm test` has built is tested as it is, by Node's own imports, with threads that start in a fraction of the time.
  resolve: { alias: isBuilt ? [{ find: /^((?:\.\.\/)+)src\//, replacement: '$1dist/' }] : [] },
  test: {
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    server: { deps: { external: [built] } },
    // Most of what a test runs is run a few times: optimising it would take longer than it saves.
    execArgv: ['--interrupt-budget=1000000'],
    env: {
      // Packed weights of test models stay out of the user's own cache.
      QUINTET_CACHE: join(tmpdir(), 'quintet-test-cache'),
      // Threads that wait for each other take the cores from the tests beside them.
      QUINTET_THREADS: '1',
    },
    projects: [
      { extends: true, test: { name: 'shared', include: ['test/**/*.test.ts'], exclude: measured, isolate: false } },
      { extends: true, test: { name: 'alone', include: measured } },
    ],
  },
});
