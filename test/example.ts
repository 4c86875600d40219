/** Code of the documentation, run as it stands there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');

/** The blocks of code in a language, in order. */
export const blocksOf = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code as string);

/** The source behind a sub-path of the package. */
function sourceOf(path: string): string {
  const file = path.startsWith('parts/') ? `${path}.ts` : join(path, 'index.ts');
  return pathToFileURL(join(root, 'src', file)).href;
}

/** The lines that a program prints which imports `quintet` and runs in the repository's folder. */
export function printedBy(code: string): string[] {
  const folder = mkdtempSync(join(root, 'node_modules', '.example-'));
  try {
    const file = join(folder, 'example.mts');
    writeFileSync(
      file,
      code.replaceAll(/from 'quintet(?:\/([^']+))?'/g, (_, path = '') => `from '${sourceOf(path)}'`),
    );
    return execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' })
      .trim()
      .split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
