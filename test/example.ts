/** Code of the documentation, run as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { moduleUrl, printedByNode } from './command.js';

const root = join(import.meta.dirname, '..');

/** The blocks of code in a language, in order. */
export const blocksOf = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code as string);

/** A program of the documentation as Node runs it, with the package's modules as they are tested. */
export function programOf(code: string): string {
  const { code: program } = transformSync(code, { loader: 'ts', format: 'esm', target: 'node20' });
  return program.replaceAll(/from "quintet(\/[^"]+)?"/g, (_, path = '') => `from '${exportedAs(`.${path}`)}'`);
}

/** The module that the package gives under a name, such as `./parts/types`. */
function exportedAs(name: string): string {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
  };
  const [pattern, file] = Object.entries(exports).find(([key]) => matches(key, name)) ?? [];
  if (pattern === undefined || file === undefined) throw new Error(`package.json exports no ${name}`);
  const [before = ''] = pattern.split('*');
  const [, module = ''] = /^\.\/dist\/(.+)\.js$/.exec(file.replace('*', name.slice(before.length))) ?? [];
  return moduleUrl(module);
}

function matches(pattern: string, name: string): boolean {
  const [before = '', after] = pattern.split('*');
  return after === undefined ? pattern === name : name.startsWith(before);
}

/** The lines that a program prints which imports `quintet` and runs in the repository's folder. */
export function printedBy(code: string): string[] {
  const folder = mkdtempSync(join(root, 'node_modules', '.example-'));
  try {
    const file = join(folder, 'example.mjs');
    writeFileSync(file, programOf(code));
    return printedByNode(file).trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
