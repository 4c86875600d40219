import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    // Packed weights of test models stay out of the user's own cache.
    env: { QUINTET_CACHE: join(tmpdir(), 'quintet-test-cache') },
  },
});
