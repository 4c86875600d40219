/**
 * `npm test`: builds, checks and runs all tests. Each check counts as one test; the last line is `N passed, N failed`.
 * Names of test files narrow the tests down, as in `npm test -- test/graph`.
 */

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { TestModule } from 'vitest/node';
import { startVitest } from 'vitest/node';
import { chromiumPath } from '../test/chromium.js';
import { builtVariable } from '../test/command.js';
import { mpirunFound } from '../test/mpirun.js';
import { missingWeights } from '../test/weights.js';

interface Check {
  readonly name: string;
  readonly command: string;
}

/** Its types are checked by `types`, with those of everything else. */
const build: Check = { name: 'build', command: 'tsc -p tsconfig.build.json --noCheck' };

const checks: readonly Check[] = [
  { name: 'types', command: 'tsc -p .' },
  { name: 'formatting', command: 'biome check .' },
  { name: 'structure', command: 'tsx scripts/check-structure.ts' },
];

interface Counts {
  passed: number;
  failed: number;
}

/**
 * Runs a check, and prints its time and, where it says something or fails, its output. The promise says whether it passed.
 */
async function run({ name, command }: Check, counts: Counts): Promise<boolean> {
  const begin = performance.now();
  // npm puts the tools of node_modules on the path.
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const code = await new Promise<number>((resolve) => {
    child.once('error', (error) => (output += error.message));
    child.once('close', (status) => resolve(status ?? 1));
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  counts[code === 0 ? 'passed' : 'failed']++;
  console.log(` ${code === 0 ? '✓' : '✗'} ${name} ${seconds} s`);
  if (code !== 0 || name === 'structure') console.log(output.trimEnd().replaceAll(/^/gm, '   '));
  return code === 0;
}

async function runChecks(counts: Counts): Promise<void> {
  // What is no longer in src must not stay in dist.
  rmSync('dist', { recursive: true, force: true });
  const others = async (): Promise<void> => {
    for (const check of checks) await run(check, counts);
  };
  const building = run(build, counts);
  if (availableParallelism() === 1) await building;
  await others();
  if (await building) process.env[builtVariable] = '1';
}

async function runTests(filters: string[], counts: Counts): Promise<void> {
  // A line a file, and failures in full; tests that take their time have no line of their own.
  const options = { watch: false, reporters: ['default'], slowTestThreshold: 60_000 };
  const vitest = await startVitest('test', filters, options);
  const modules = vitest.state.getTestModules();
  for (const module of modules) count(module, counts);
  counts.failed += vitest.state.getUnhandledErrors().length;
  if (modules.length === 0) counts.failed++;
  await vitest.close();
}

/** Adds a file's tests; a file that breaks before or outside its tests counts as one that failed. */
function count(module: TestModule, counts: Counts): void {
  const tests = [...module.children.allTests()].map((test) => test.result().state);
  counts.passed += tests.filter((state) => state === 'passed').length;
  const failed = tests.filter((state) => state === 'failed' || state === 'pending').length;
  counts.failed += failed;
  if (failed === 0 && module.state() === 'failed') counts.failed++;
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const counts: Counts = { passed: 0, failed: 0 };
await runChecks(counts);
await runTests(process.argv.slice(2), counts);
if (chromiumPath === undefined) {
  console.log('notice: no Chromium was found, so the browser tests were skipped; CHROMIUM can name one');
}
if (!mpirunFound) {
  console.log("notice: Open MPI's mpirun was not found, so the tests of several processes were skipped");
}
if (missingWeights.length > 0) {
  const names = missingWeights.join(', ');
  console.log(`notice: tests of published weights were skipped (${names}); scripts/fetch-weights.ts fetches them`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
