/** What is wrong with a call of the benchmarks is told on a line, before anything is measured. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const main = new URL('../../bench/main.ts', import.meta.url).pathname;

test.each([
  [['lod'], /^error: no benchmark is called lod; did you mean load\?\n$/],
  [['decode', '--rounds', '0'], /^error: --rounds: expected a whole number from 1 on, got 0\n$/],
  [['load', '--only', 'nobody'], /^error: --only nobody: no contender has that in its name; there are .*Quintet/],
  [['--nosuch'], /^error: Unknown option '--nosuch'.*Names: decode, /s],
])('%j', (args, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, ...args], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
});
