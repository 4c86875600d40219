/** A check of derived files, some of which cannot be read. */
import { rmSync, statSync, utimesSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { checkDerived } from '../../src/checkpoint/derived-folder.js';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';

vi.mock('../../src/checkpoint/safetensors-digest.js', async (original) => {
  const real = await original<typeof import('../../src/checkpoint/safetensors-digest.js')>();
  const isAsWritten = async (file: string) => {
    if (file.includes('gone')) rmSync(file);
    if (file.includes('bad')) throw new Error('EIO: i/o error, read');
    return real.isAsWritten(file);
  };
  return { ...real, isAsWritten };
});

test('a file that is removed meanwhile, and one that the disk does not give, do not end the check', async () => {
  const folder = temporaryFolder();
  const before = Math.floor(Date.now() / 1000) - 1000;
  const [gone = '', bad = '', good = ''] = ['gone', 'bad', 'good'].map((name) => join(folder, `${name}.safetensors`));
  for (const [i, file] of [gone, bad, good].entries()) {
    await writeSafetensors(file, { a: hostArray('u8', [3], [1, 2, 3]) }, { digest: true });
    utimesSync(file, before - i, before - i);
  }
  const checked = await checkDerived(folder);
  expect(checked.map(({ file, state }) => [file, state])).toEqual([
    [bad, 'damaged'],
    [good, 'whole'],
  ]);
  expect(statSync(bad).mtimeMs).toBe(1000 * (before - 1));
});

test('a file without a readable header is damaged, one without a digest is not', async () => {
  const folder = temporaryFolder({
    'empty.safetensors': '',
    'zeros.safetensors': new Uint8Array(500),
    'text.safetensors': 'x'.repeat(500),
  });
  await writeSafetensors(join(folder, 'old.safetensors'), { a: hostArray('u8', [3], [1, 2, 3]) });
  const states = (await checkDerived(folder)).map(({ file, state }) => [basename(file, '.safetensors'), state]);
  expect(Object.fromEntries(states)).toEqual({ empty: 'damaged', zeros: 'damaged', text: 'damaged', old: 'unknown' });
});
