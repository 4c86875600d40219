import { renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { contentFingerprint, fingerprint } from '../../src/checkpoint/index.js';
import { temporaryFolder } from '../temporary.js';

const mebibyte = 2 ** 20;

test('of content a part that is a hundredth of its file counts; where it lies, and since when, does not', async () => {
  const folder = temporaryFolder();
  const [file, moved] = [join(folder, 'one'), join(folder, 'other')];
  const bytes = Buffer.alloc(100 * mebibyte, 'neither times nor places');
  writeFileSync(file, bytes);
  const [content, own] = [await contentFingerprint([file]), await fingerprint([file], '')];
  expect(await contentFingerprint([file, file])).not.toBe(content);
  renameSync(file, moved);
  utimesSync(moved, 0, 0);
  expect(await contentFingerprint([moved])).toBe(content);
  expect(await fingerprint([moved], '')).not.toBe(own);
  writeFileSync(moved, bytes.fill(0, 40.75 * mebibyte, 41.875 * mebibyte));
  expect(await contentFingerprint([moved])).not.toBe(content);
});
