/** What is published: the names that can be imported, and the files that they are in. Looks at what `npm run build` made. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readSource } from '../scripts/structure/source.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const files = (folder: string): string[] =>
  readdirSync(root + folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(root.length)}/${entry.name}`.replaceAll('\\', '/'));

const { exports, bin, dependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;

test('the dependencies are what src imports', () => {
  // Of two packages only files are asked for, by `resolve`.
  const imported = files('src').flatMap((path) => [
    ...readSource(path, read(path)).imports.map(({ specifier }) => specifier),
    ...[...read(path).matchAll(/\.resolve\('([^']+)'\)/g)].map(([, name = '']) => name),
  ]);
  const packages = imported
    // Modules whose names users give are nobody's dependency.
    .filter((name) => name !== '' && name !== '*' && !name.startsWith('.') && !name.startsWith('node:'))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
  expect([...new Set(packages)].sort()).toEqual(Object.keys(dependencies ?? {}).sort());
});

test('every folder of src with an index has a name', () => {
  const indexes = files('src').filter((path) => /^src\/[^/]+\/index.ts$/.test(path));
  const targets = indexes.map((path) => path.replace('src', './dist').replace('.ts', '.js'));
  expect(Object.values(exports ?? {})).toEqual(expect.arrayContaining(targets));
});

describe.skipIf(!existsSync(`${root}dist`))('the build', () => {
  test('has what each name says, with its types', async () => {
    for (const [name, target] of Object.entries(exports ?? {}).filter(([, path]) => path.endsWith('.js'))) {
      const example = { './recipes/*': 'llava-1.5', './parts/*': 'encoders/clip' }[name] ?? '';
      const path = target.replace('./', root).replace('*', example);
      const module: object = await import(path);
      // The kinds of parts are types only.
      if (name !== './parts') expect(Object.keys(module), name).not.toEqual([]);
      expect(existsSync(path.replace(/js$/, 'd.ts')), name).toBe(true);
    }
  });

  test('has a command that runs', () => {
    const command = bin?.quintet ?? '';
    expect(read(command)).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(execFileSync(process.execPath, [root + command, '--help'], { encoding: 'utf8' })).toContain('quintet');
  });

  test('is packed with the embedded model, the list of all that ship and nothing else, in less than 20 MB', () => {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const [packed] = JSON.parse(
      execFileSync(npm, ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
    ) as { size: number; files: { path: string }[] }[];
    const others = packed?.files.map(({ path }) => path).filter((path) => !/^dist\/.*\.(js|d\.ts)$/.test(path)) ?? [];
    const documents = ['CHANGELOG.md', 'LICENSE', 'NOTICE', 'package.json', 'models/index.json', 'docs/run-files.md'];
    expect(others).toEqual(expect.arrayContaining(documents));
    expect(
      others.filter((path) => ![...documents, 'README.md'].includes(path) && !/^(models\/nano|docs)\//.test(path)),
    ).toEqual([]);
    expect(packed?.size).toBeLessThan(20e6);
  });
});
