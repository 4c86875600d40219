/** A check of derived files, some of which cannot be read. */
import { rmSync, utimesSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkDerived } from '../../src/checkpoint/derived-folder.js';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';

const digests = '../../src/checkpoint/safetensors-digest.js';

/** The check, among whose files one is removed as it is read, and one cannot be read. */
async function disturbedCheck(): Promise<typeof checkDerived> {
  vi.resetModules();
  vi.doMock(digests, async (original) => {
    const real = await original<typeof import('../../src/checkpoint/safetensors-digest.js')>();
    const isAsWritten = async (file: string) => {
      if (file.endsWith('bad.safetensors')) throw new Error('EIO: i/o error, read');
      if (file.endsWith('gone.safetensors')) rmSync(file);
      return real.isAsWritten(file);
    };
    return { ...real, isAsWritten };
  });
  onTestFinished(() => {
    vi.doUnmock(digests);
    vi.resetModules();
  });
  return (await import('../../src/checkpoint/derived-folder.js')).checkDerived;
}

test('a file that is removed meanwhile, and one that the disk does not give, do not end the check', async () => {
  const folder = temporaryFolder();
  const before = Math.floor(Date.now() / 1000) - 1000;
  const [gone = '', bad = '', good = ''] = ['gone', 'bad', 'good'].map((name) => join(folder, `${name}.safetensors`));
  for (const [i, file] of [gone, bad, good].entries()) {
    await writeSafetensors(file, { a: hostArray('u8', [3], [1, 2, 3]) }, { digest: true });
    utimesSync(file, before - i, before - i);
  }
  const checked = await (await disturbedCheck())(folder);
  expect(checked.map(({ file, state }) => [file, state])).toEqual([
    [bad, 'damaged'],
    [good, 'whole'],
  ]);
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
