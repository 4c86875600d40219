/** Quintet beside what else there is: `npm run bench -- --help`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Call, readCall, usage } from './arguments.js';
import { benchmarks } from './benchmarks/all.js';
import type { Benchmark } from './harness/benchmark.js';
import { describeMachine } from './harness/machine.js';
import { cacheFolder, projectFolder } from './harness/paths.js';
import { runAsJson, runAsMarkdown, withSection } from './harness/report.js';
import { runBenchmark } from './harness/rounds.js';

const page = join(projectFolder, 'docs', 'benchmarks.md');

/** The call, or the end where something is wrong with it. */
function call(): Call {
  try {
    return readCall(process.argv.slice(2));
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    process.exit(2);
  }
}

const { help, list, json, rounds, whole, selected } = call();

async function run(benchmark: Benchmark): Promise<void> {
  const machine = describeMachine();
  const onNotice = (notice: string) => console.error(notice);
  const result = await runBenchmark(benchmark, { machine, rounds, onNotice });
  const command = `npm run bench -- ${benchmark.name}${benchmark.once ? '' : ` --rounds ${rounds}`}`;
  const section = runAsMarkdown(result, { date: new Date().toISOString().slice(0, 10), command });
  console.log(json ? JSON.stringify(runAsJson(result)) : `\n${section}\n`);
  if (!whole) return;
  const titles = benchmarks.map(({ title }) => title);
  writeFileSync(page, withSection(readFileSync(page, 'utf8'), section, titles));
}

mkdirSync(cacheFolder, { recursive: true });
if (help) console.log(usage);
else if (list) for (const { name, about } of benchmarks) console.log(`${name.padEnd(12)}${about}`);
else for (const benchmark of selected) await run(benchmark);
