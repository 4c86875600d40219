/** What commands take from the environment. */

import { expect, onTestFinished, test, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { captured } from './cli.js';

test.each<[string, readonly string[], number | undefined]>([
  ['3', [], 3],
  ['3', ['--threads', '2'], 2],
  ['', [], undefined],
])('QUINTET_THREADS=%j and the arguments %j give so many threads: %j', async (value, args, threads) => {
  vi.stubEnv('QUINTET_THREADS', value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const program = createProgram();
  const { code, stderr } = await captured(() => program.parseAsync([...args, 'recipes'], { from: 'user' }));
  expect(code, stderr).toBe(0);
  expect(program.opts().threads).toBe(threads);
});

test('an empty QUINTET_ORT_LIBRARY names no library', async () => {
  vi.stubEnv('QUINTET_ORT_LIBRARY', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const program = createProgram();
  await captured(() => program.parseAsync(['recipes'], { from: 'user' }));
  expect(program.opts()).not.toHaveProperty('library');
});
