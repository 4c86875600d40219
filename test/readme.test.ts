/** What the README shows is run as it stands there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { readRunFile, runOf } from '../src/train/run-file.js';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blockOf = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] as string;

test('the twenty lines answer about the picture, and go on', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(root, 'node_modules', '.readme-'));
  try {
    const file = join(folder, 'example.mts');
    const library = pathToFileURL(join(root, 'src', 'index.ts')).href;
    writeFileSync(file, blockOf('ts').replace("from 'quintet'", `from '${library}'`));
    const printed = execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' });
    const [counted, below] = printed.trim().split('\n');
    // As scene.png has it.
    expect(counted).toBe('Four.');
    expect(below).toBe('A dog.');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the run file is one', async () => {
  const folder = mkdtempSync(join(root, 'node_modules', '.readme-'));
  try {
    const file = join(folder, 'run.yaml');
    writeFileSync(file, blockOf('yaml'));
    const { llava15 } = await import('../src/recipes/index.js');
    const run = runOf(await readRunFile(file), file, llava15().stages);
    expect(run.stages.map(({ name, batch, length }) => ({ name, batch, length }))).toEqual([
      { name: 'align', batch: 32, length: { steps: 500 } },
      { name: 'instruct', batch: 16, length: { epochs: 1 } },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
