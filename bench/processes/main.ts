/**
 * One process with two threads beside two processes with one thread each, which train on the same batches:
 *
 *     npx tsx bench/processes/main.ts [--rounds N] [--steps N]
 *
 * They take turns. Needs Open MPI; prints the medians, their ratio, and how far losses and norms are apart: from those of one
 * process that takes the batch at once, and of one that takes it in two micro-batches, which adds up the same numbers.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { isRealtimeAllowed } from '../harness/child.js';
import { cacheFolder, projectFolder } from '../harness/paths.js';
import { median } from '../harness/statistics.js';

interface Step {
  readonly time: number;
  readonly loss: number;
  readonly norm: number;
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '12' } },
});
/** Steps before times count. */
const warming = 3;

const folder = join(cacheFolder, `processes-${process.pid}`);
await build({
  entryPoints: [join(projectFolder, 'bench', 'processes', 'train.ts')],
  ...{ bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', logLevel: 'error' },
  outfile: join(folder, 'train.mjs'),
});

const script = [process.execPath, join(folder, 'train.mjs'), values.steps];
const realtime = isRealtimeAllowed() ? ['chrt', '-r', '1'] : [];
const contenders: Readonly<Record<string, readonly string[]>> = {
  'one process': [...realtime, ...script],
  'one process, in halves': [...realtime, ...script, '2'],
  'two processes': [...realtime, 'mpirun', '--allow-run-as-root', '--bind-to', 'core', '-np', '2', ...script],
};

function steps(command: readonly string[]): Step[] {
  const [program = '', ...args] = command;
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Step[];
}

const runs: Record<string, Step[][]> = {};
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, command] of Object.entries(contenders)) runs[name] = [...(runs[name] ?? []), steps(command)];
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const [one = [], halves = [], two = []] = Object.values(runs);
const time = (of: readonly Step[][]): number =>
  median(of.flatMap((run) => run.slice(warming).map((step) => step.time)));
const apart = (from: readonly Step[][], field: 'loss' | 'norm'): string => {
  const distances = (from[0] ?? []).map((step, i) => Math.abs((two[0]?.[i]?.[field] ?? Number.NaN) / step[field] - 1));
  return Math.max(...distances).toExponential(1);
};
console.log(`one process, 2 threads     ${time(one).toFixed(1)} ms a step`);
console.log(
  `two processes, 1 thread    ${time(two).toFixed(1)} ms a step, ${(time(two) / time(one)).toFixed(2)} of that`,
);
console.log(`apart from one process     losses ${apart(one, 'loss')}, norms ${apart(one, 'norm')}`);
console.log(`apart from its halves      losses ${apart(halves, 'loss')}, norms ${apart(halves, 'norm')}`);
console.log(realtime.length > 0 ? 'with real-time priority' : 'without real-time priority');
