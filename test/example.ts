/** Code of the documentation, run as it stands there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');

/** The blocks of code in a language, in order. */
export const blocksOf = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code as string);

/** The lines that a program prints which imports `quintet` and runs in the repository's folder. */
export function printedBy(code: string): string[] {
  const folder = mkdtempSync(join(root, 'node_modules', '.example-'));
  try {
    const file = join(folder, 'example.mts');
    const library = pathToFileURL(join(root, 'src', 'index.ts')).href;
    writeFileSync(file, code.replaceAll("from 'quintet'", `from '${library}'`));
    return execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' })
      .trim()
      .split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
