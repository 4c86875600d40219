/** Lists the models that Quintet ships with, file by file, in `models/index.json`: `npx tsx scripts/list-models.ts`. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = fileURLToPath(new URL('../models', import.meta.url));

function filesIn(folder: string): object[] {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return paths.sort().map((path) => {
    const content = readFileSync(path);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { path: path.slice(folder.length + 1).replaceAll('\\', '/'), bytes: content.byteLength, sha256 };
  });
}

const folders = readdirSync(home, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const names = folders.map(({ name }) => name).sort();
const models = names.map((name) => ({ name, files: filesIn(join(home, name)) }));
writeFileSync(join(home, 'index.json'), `${JSON.stringify({ models }, null, 2)}\n`);
