/** `quintet merge` where nothing can be merged. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { merge } from '../../src/cli/merge.js';
import { fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

test('a merge that fails leaves no folder, and one that was there as it is', async () => {
  const folder = fixturePath('adapters');
  const output = join(temporaryFolder(), 'merged');
  const merging = () => merge(`${folder}/model`, { adapter: `${folder}/adapters/prompt`, output, dtype: 'f32' });
  await expect(merging()).rejects.toThrow(/this adapter cannot be merged/);
  expect(existsSync(output)).toBe(false);
  mkdirSync(output);
  await expect(merging()).rejects.toThrow(/this adapter cannot be merged/);
  expect(readdirSync(output)).toEqual([]);
  writeFileSync(join(output, 'mine.txt'), '');
  await expect(merging()).rejects.toThrow(/this adapter cannot be merged/);
  expect(readdirSync(output)).toEqual(['mine.txt']);
});
