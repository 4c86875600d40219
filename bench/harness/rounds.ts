/** Contenders in turns, round by round, so that what slows the machine down slows down all of them. */

import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Benchmark, Contender, Start } from './benchmark.js';
import { bundleContenders, type Child, startChild } from './child.js';
import type { Machine } from './machine.js';
import { projectFolder } from './paths.js';
import type { Run } from './report.js';

export interface RoundsOptions {
  readonly machine: Machine;
  readonly rounds: number;
  /** Told what is going on. */
  readonly onNotice: (notice: string) => void;
}

/** Why a contender cannot take part; undefined where it can. */
function obstacleOf({ needs, settings }: Contender): string | undefined {
  if (needs && !existsSync(join(projectFolder, 'bench', 'node_modules', needs))) {
    return `${needs} is not installed: npm ci --prefix bench`;
  }
  if (settings.path && !existsSync(settings.path)) {
    return `${relative(projectFolder, settings.path)} is not there: see docs/benchmarks.md`;
  }
  return undefined;
}

/** Runs a benchmark. A contender that fails is left out from then on, with what it had so far. */
export async function runBenchmark(benchmark: Benchmark, options: RoundsOptions): Promise<Run> {
  const { onNotice } = options;
  const rounds = benchmark.once ? 1 : options.rounds;
  const machine = { ...options.machine, realtime: options.machine.realtime && benchmark.realtime !== false };
  const leftOut: Record<string, string> = {};
  for (const contender of benchmark.contenders) {
    const obstacle = obstacleOf(contender);
    if (obstacle) leftOut[contender.name] = obstacle;
  }
  const bundle = await bundleContenders();
  const start: Start = (contender, more = {}) =>
    startChild(bundle, { environment: { ...contender.environment, ...more } }, machine);
  const children = new Map<Contender, Child>();
  const results: Record<string, Record<string, number[]>> = {};
  // The first round warms up: caches, compiled code, memory that was never touched before.
  for (let round = benchmark.once ? 1 : 0; round <= rounds; round++) {
    for (const contender of benchmark.contenders.filter(({ name }) => !leftOut[name])) {
      onNotice(`${benchmark.name}, round ${round} of ${rounds}: ${contender.name}`);
      try {
        const values = await takeTurn(benchmark, contender, { start, children });
        if (round > 0) collect(results, contender.name, values);
      } catch (error) {
        leftOut[contender.name] = `failed: ${(error as Error).message.split('\n')[0]}`;
        onNotice(`${contender.name} failed: ${(error as Error).message}`);
      }
    }
  }
  await Promise.all([...children.values()].map((child) => child.stop()));
  bundle.remove();
  return { benchmark, machine, rounds, results, leftOut };
}

/** A contender's turn, in a process that it has had since its first one, or in fresh ones. */
async function takeTurn(
  { turn }: Benchmark,
  contender: Contender,
  { start, children }: { readonly start: Start; readonly children: Map<Contender, Child> },
): Promise<Record<string, number>> {
  if (turn.kind === 'fresh') return turn.take(contender, start);
  const known = children.get(contender);
  if (known) return turn.take(known);
  const child = start(contender);
  children.set(contender, child);
  await child.ask('prepare', contender);
  await child.ask('open', {});
  return turn.take(child);
}

function collect(
  results: Record<string, Record<string, number[]>>,
  contender: string,
  values: Readonly<Record<string, number>>,
): void {
  const own = results[contender] ?? {};
  results[contender] = own;
  for (const [name, value] of Object.entries(values)) own[name] = [...(own[name] ?? []), value];
}
