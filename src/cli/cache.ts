/** `quintet cache`: the weights that were packed into integers, a file for each model and form; what is removed is made again. */

import { type CheckedFile, checkDerived, type DerivedFile, derivedFiles, removeDerived } from '../checkpoint/index.js';
import { weightsCache } from '../model/index.js';
import { exitCodes, UsageError } from './failures.js';
import { formatBytes, formatTable } from './format.js';
import { invocation } from './invocation.js';
import { note } from './terminal.js';

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

/** Compares each file with the digest that was written with it. Returns the exit code. */
export async function checkCache({ olderThan, json = false }: CacheOptions): Promise<number> {
  if (olderThan !== undefined) throw new UsageError('--older-than is for cache clean');
  const folder = weightsCache(process.env);
  const files = await checkDerived(folder);
  const damaged = files.filter(({ state }) => state === 'damaged');
  if (json) print(JSON.stringify({ folder, files }, null, 2));
  else {
    if (files.length > 0) print(formatTable(files.map((file) => [words[file.state], ...rowOf(file, Date.now())])));
    print(`${damaged.length} of ${files.length} damaged  ${folder}`);
  }
  if (damaged.length === 0) return 0;
  note(['Remove what is damaged; it is made again when needed:', ...damaged.map(({ file }) => file)].join('\n  '));
  return exitCodes.failure;
}

const words: Readonly<Record<CheckedFile['state'], string>> = {
  whole: 'whole',
  damaged: 'damaged',
  unknown: 'has no digest',
};

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function rowOf({ bytes, used, source = 'unknown', partial }: DerivedFile, now: number): string[] {
  const days = Math.floor((now - used) / day);
  const age = days < 1 ? 'today' : `${days} ${days === 1 ? 'day' : 'days'} ago`;
  return [formatBytes(bytes).padStart(7), age, partial === undefined ? source : `unfinished, ${partial}`];
}
