import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRunning, ownProcess, processOf, wordOf } from '../../src/machine/process.js';

const linux = process.platform === 'linux';

test('a process is the one of its number that began when it did, and not a later one', () => {
  const own = ownProcess();
  const { pid: ended } = spawnSync(process.execPath, ['--version']);
  expect(isRunning(own)).toBe(true);
  expect(isRunning({ ...own, pid: ended })).toBe(false);
  expect(isRunning({ ...own, began: '12' })).toBe(!linux);
});

test.runIf(linux)('one that has ended does not run, though nobody has asked how it ended', async () => {
  // `exec` leaves the shell's child to a program that never asks.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60']);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const child = Number(String(line));
  const stat = (): string => readFileSync(`/proc/${child}/stat`, 'utf8');
  await expect.poll(() => stat().includes(') Z ')).toBe(true);
  const [, began = ''] = /\) \S (?:\S+ ){18}(\d+)/.exec(stat()) ?? [];
  expect(isRunning({ ...ownProcess(), pid: child, began })).toBe(false);
  parent.kill();
});

test('of machines and containers that are called alike each knows its own processes only', () => {
  const here = { ...ownProcess(), machine: 'this', boot: 'now' };
  const { pid } = spawnSync(process.execPath, ['--version']);
  const seen = (change: object): boolean | undefined => isRunning({ ...here, pid, ...change }, here);
  expect(seen({})).toBe(false);
  expect(seen({ host: 'another' })).toBeUndefined();
  expect(seen({ container: '12' })).toBeUndefined();
  expect(seen({ machine: 'another', boot: 'another' })).toBeUndefined();
  // This machine has been started again; which it was, and when, is not known of machines without a number.
  expect(seen({ boot: 'before', container: '12' })).toBe(false);
  const nameless = { ...here, machine: '' };
  expect(isRunning({ ...nameless, boot: 'before' }, nameless)).toBeUndefined();
});

test('its word names a process, and other words name none', () => {
  const own = ownProcess();
  const elsewhere = { host: 'a.b-c', machine: '', boot: '', container: '', pid: 7, began: '' };
  for (const one of [own, elsewhere]) expect(processOf(wordOf(one))).toEqual(one);
  expect(wordOf(own)).toMatch(/^[\w.~-]+$/);
  for (const word of ['', 'host 12 3', '{"pid":3}', `${wordOf(own)}~`, '~~~~7~'])
    expect(processOf(word)).toBeUndefined();
});
