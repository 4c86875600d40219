/** Folders that are gone after the tests. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

function folderUntil(end: (remove: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'quintet-test-'));
  end(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A text, bytes, or what is written as JSON. */
type Content = string | Uint8Array | object;

/** A folder that lasts as long as the test, with these files. */
export function temporaryFolder(files: Readonly<Record<string, Content>> = {}): string {
  const folder = folderUntil(onTestFinished);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(folder, name), raw ? content : JSON.stringify(content));
  }
  return folder;
}

/** A file in such a folder of its own. */
export const temporaryFile = (name: string, content: Content): string =>
  join(temporaryFolder({ [name]: content }), name);

/** A folder that lasts as long as the tests of the file that asks for it where no test runs. */
export const sharedFolder = (): string => folderUntil(afterAll);
