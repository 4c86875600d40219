/** What the README shows is run as it stands there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRunFile, runOf } from '../src/train/run-file.js';
import { blocksOf, printedBy } from './example.js';
import { temporaryFile } from './temporary.js';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blockOf = (language: string) => blocksOf(readme, language)[0] as string;

test('the twenty lines answer about the picture, and go on', { timeout: 120_000 }, () => {
  const [counted, below] = printedBy(blockOf('ts'));
  // As scene.png has it.
  expect(counted).toBe('Four.');
  expect(below).toBe('A dog.');
});

test('the run file is one', async () => {
  const file = temporaryFile('run.yaml', blockOf('yaml'));
  const { llava15 } = await import('../src/recipes/index.js');
  const run = runOf(await readRunFile(file), file, { stages: llava15().stages });
  expect(run.stages.map(({ name, batch, length }) => ({ name, batch, length }))).toEqual([
    { name: 'align', batch: 32, length: { steps: 500 } },
    { name: 'instruct', batch: 16, length: { epochs: 1 } },
  ]);
});
