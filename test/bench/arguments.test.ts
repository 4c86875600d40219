/** What is wrong with a call of the benchmarks is told on a line, before anything is measured. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { readCall } from '../../bench/arguments.js';

test.each([
  [['lod'], /^no benchmark is called lod; did you mean load\?$/],
  [['decode', '--rounds', '0'], /^--rounds: expected a whole number from 1 on, got 0$/],
  [['load', '--only', 'nobody'], /^--only nobody: no contender has that in its name; there are .*Quintet/],
  [['--nosuch'], /^Unknown option '--nosuch'.*Names: decode, /s],
])('%j is refused', (args, message) => {
  expect(() => readCall(args)).toThrow(message);
});

test('the contenders that are asked for, of the benchmarks that are', () => {
  const { selected, ...asked } = readCall(['load', '--only', 'llama.cpp', '--rounds', '5', '--json']);
  expect(asked).toEqual({ help: false, list: false, json: true, rounds: 5, whole: false });
  expect(selected.map(({ name }) => name)).toEqual(['load']);
  expect(selected[0]?.contenders.every(({ name }) => name.includes('llama.cpp'))).toBe(true);
});

test('a process says it behind `error`, and ends with 2', () => {
  const main = new URL('../../bench/main.ts', import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, 'lod'], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr]).toEqual([2, '', 'error: no benchmark is called lod; did you mean load?\n']);
});
