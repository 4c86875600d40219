/** A check of derived files, some of which cannot be read. */
import { rmSync, utimesSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkDerived } from '../../src/checkpoint/derived-folder.js';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';

/** From the second time on that it is opened, one file is removed first, and one cannot be read. */
function disturbReading(gone: string, bad: string): void {
  const { open } = files;
  const opened = new Set<unknown>();
  const spy = vi.spyOn(files, 'open').mockImplementation(async (...asked) => {
    const [file] = asked;
    const again = opened.has(file);
    opened.add(file);
    if (again && file === gone) rmSync(gone);
    if (again && file === bad) throw Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO' });
    return open(...asked);
  });
  // Without this, what is imported by its name stays the function that was there before.
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
}

test('a file that is removed meanwhile, and one that the disk does not give, do not end the check', async () => {
  const folder = temporaryFolder();
  const before = Math.floor(Date.now() / 1000) - 1000;
  const [gone = '', bad = '', good = ''] = ['gone', 'bad', 'good'].map((name) => join(folder, `${name}.safetensors`));
  for (const [i, file] of [gone, bad, good].entries()) {
    await writeSafetensors(file, { a: hostArray('u8', [3], [1, 2, 3]) }, { digest: true });
    utimesSync(file, before - i, before - i);
  }
  disturbReading(gone, bad);
  const checked = await checkDerived(folder);
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
