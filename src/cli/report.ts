/** `quintet report`: runs as a page to look at. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDestination, writeResult } from '../checkpoint/index.js';
import { QuintetError } from '../tensor/index.js';
import { outputOf, report as reportOf } from '../train/index.js';

export interface ReportOptions {
  readonly output?: string;
}

export async function report(sources: readonly string[], options: ReportOptions): Promise<void> {
  const folders = await Promise.all(sources.map(folderOf));
  const [first = ''] = folders;
  const output = options.output ?? (folders.length === 1 ? join(first, 'report.html') : 'report.html');
  await checkDestination(output);
  const page = await reportOf(folders);
  await writeResult(output, page);
  process.stdout.write(`${output}\n`);
}

/** A run's folder, also where its run file is given. */
async function folderOf(source: string): Promise<string> {
  const found = await stat(source).catch(() => undefined);
  if (!found) throw new QuintetError('not-found', 'no such run: give its folder, or its run file', { at: source });
  return found.isFile() ? outputOf(source) : source;
}
