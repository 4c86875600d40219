import { expect, test } from 'vitest';
import { fileError, writeError } from '../../src/tensor/index.js';

const failing = (code: string) => Object.assign(new Error(`${code}: as the system says it`), { code });

test.each([
  ['EMFILE', 'io', 'a.tar: too many open files\n  Raise the limit of the shell (`ulimit -n`), or'],
  ['EACCES', 'io', 'a.tar: permission denied\n  Give your user the right to it'],
  ['ENOSPC', 'io', 'a.tar: the disk is full\n  Make room'],
  ['EIO', 'io', 'a.tar: EIO: as the system says it'],
  ['ENOENT', 'not-found', 'a.tar: no such file'],
  ['ENAMETOOLONG', 'not-found', 'a.tar: the name is too long'],
  ['ELOOP', 'not-found', 'a.tar: the symbolic links turn in a circle'],
] as const)('%s says what it means and what to do', (code, own, message) => {
  const error = fileError('a.tar', failing(code));
  expect(error.code).toBe(own);
  expect(error.message.startsWith(message), error.message).toBe(true);
});

test('what failed stands before its reason', () => {
  const error = fileError('out', failing('ENOSPC'), { failed: 'the checkpoint of step 3 cannot be saved' });
  expect(error.message).toMatch(/^out: the checkpoint of step 3 cannot be saved: the disk is full\n/);
});

test('what cannot be written has no folder, or what is wrong with its place', () => {
  expect(writeError('out/a.tar', failing('ENOENT')).message).toBe('out/a.tar: there is no folder to write it to');
  expect(writeError('out', failing('ENOSPC'), 'the log cannot be written').message).toMatch(
    /^out: the log cannot be written: the disk is full\n/,
  );
});
