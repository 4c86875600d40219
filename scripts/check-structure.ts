/** Checks the structure of the project (a step of `npm run check`) and prints its largest file, longest function and totals. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkStructure, type Report } from './structure/check.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Made, fetched or foreign. */
const skipped = new Set(['node_modules', 'dist', 'coverage', 'runs', 'fixtures', '__pycache__']);

/** The project's own texts by their paths. */
function readProject(): Map<string, string> {
  const project = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (name.startsWith('.') || skipped.has(name)) continue;
      if (statSync(join(root, path)).isDirectory()) walk(path);
      else if (/\.(?:ts|py|md|ya?ml)$/.test(name)) project.set(path, readFileSync(join(root, path), 'utf8'));
    }
  };
  walk('');
  return project;
}

function summary({ files, functions }: Report): string {
  const largest = files.reduce((a, b) => (b.lines > a.lines ? b : a));
  const measured = functions.filter(({ path }) => !path.startsWith('test/'));
  const longest = measured.reduce((a, b) => (b.lines > a.lines ? b : a));
  const totals = ['src', 'test', 'scripts'].map((folder) => {
    const own = files.filter(({ path }) => path.startsWith(`${folder}/`));
    return `${folder} ${own.reduce((sum, { lines }) => sum + lines, 0)} lines in ${own.length} files`;
  });
  return [
    `largest file      ${largest.path}, ${largest.lines} lines`,
    `longest function  ${longest.name} in ${longest.path}, ${longest.lines} lines`,
    `total             ${totals.join(', ')}`,
  ].join('\n');
}

const report = checkStructure(readProject());
console.log(summary(report));
for (const violation of report.violations) console.error(violation);
process.exitCode = report.violations.length > 0 ? 1 : 0;
