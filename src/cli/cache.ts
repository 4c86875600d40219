/** `quintet cache`: the weights that were packed into integers, a file for each model and form; what is removed is made again. */

import { type DerivedFile, derivedFiles, removeDerived } from '../checkpoint/index.js';
import { weightsCache } from '../model/index.js';
import { UsageError } from './failures.js';
import { formatBytes, formatTable } from './format.js';
import { invocation } from './invocation.js';

export interface CacheOptions {
  readonly olderThan?: number;
  readonly json?: boolean;
}

const day = 24 * 60 * 60 * 1000;

export async function cache(action: 'list' | 'size' | 'clean', options: CacheOptions): Promise<void> {
  const { olderThan = 0, json = false } = options;
  if (options.olderThan !== undefined && action !== 'clean') throw new UsageError('--older-than is for cache clean');
  const [folder, now] = [weightsCache(process.env), Date.now()];
  // A file that was used this very moment is cleaned too where no age is named.
  const before = options.olderThan === undefined ? Number.POSITIVE_INFINITY : now - olderThan * day;
  const files = action === 'clean' ? await removeDerived(folder, { before }) : await derivedFiles(folder);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (json) return print(JSON.stringify({ folder, bytes, files: action === 'size' ? files.length : files }, null, 2));
  const whole = `${formatBytes(bytes)} in ${files.length} ${files.length === 1 ? 'file' : 'files'}`;
  if (action === 'size') return print(`${whole}  ${folder}`);
  const table = files.length === 0 ? [] : [formatTable(files.map((file) => rowOf(file, now)))];
  if (action === 'clean') return print([...table, `Removed ${whole} from ${folder}`].join('\n'));
  const next =
    files.length === 0
      ? []
      : [`${invocation()} cache clean --older-than 30 removes what was not used for so many days`];
  print([...table, `${whole}  ${folder}`, ...next].join('\n'));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function rowOf({ bytes, used, source = 'unknown', partial }: DerivedFile, now: number): string[] {
  const days = Math.floor((now - used) / day);
  const age = days < 1 ? 'today' : `${days} ${days === 1 ? 'day' : 'days'} ago`;
  return [formatBytes(bytes).padStart(7), age, partial === undefined ? source : `unfinished, ${partial}`];
}
