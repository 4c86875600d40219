/** Quintet beside what else there is: `npm run bench -- --help`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchmarks } from './benchmarks/all.js';
import type { Benchmark } from './harness/benchmark.js';
import { describeMachine } from './harness/machine.js';
import { cacheFolder, projectFolder } from './harness/paths.js';
import { runAsJson, runAsMarkdown, withSection } from './harness/report.js';
import { runBenchmark } from './harness/rounds.js';

const usage = `npm run bench -- [NAME...] [--rounds N] [--json] [--only TEXT]      default: all of them
npm run bench -- --list

Each contender is a process of its own; they take turns, round by round. Results are printed and put into
docs/benchmarks.md, unless --only leaves out contenders whose names do not contain a text.`;

const page = join(projectFolder, 'docs', 'benchmarks.md');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h' },
    list: { type: 'boolean' },
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
});

function selected(): readonly Benchmark[] {
  const unknown = positionals.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown)
    throw new Error(`no benchmark is called ${unknown}; there are ${benchmarks.map((b) => b.name).join(', ')}`);
  return benchmarks.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

function withOnly(benchmark: Benchmark): Benchmark {
  const { only } = values;
  if (only === undefined) return benchmark;
  return { ...benchmark, contenders: benchmark.contenders.filter(({ name }) => name.includes(only)) };
}

async function run(benchmark: Benchmark): Promise<void> {
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number, got ${values.rounds}`);
  const machine = describeMachine();
  const onNotice = (notice: string) => console.error(notice);
  const result = await runBenchmark(withOnly(benchmark), { machine, rounds, onNotice });
  const command = `npm run bench -- ${benchmark.name}${benchmark.once ? '' : ` --rounds ${rounds}`}`;
  const section = runAsMarkdown(result, { date: new Date().toISOString().slice(0, 10), command });
  console.log(values.json ? JSON.stringify(runAsJson(result)) : `\n${section}\n`);
  if (values.only !== undefined) return;
  const titles = benchmarks.map(({ title }) => title);
  writeFileSync(page, withSection(readFileSync(page, 'utf8'), section, titles));
}

mkdirSync(cacheFolder, { recursive: true });
if (values.help) console.log(usage);
else if (values.list) for (const { name, about } of benchmarks) console.log(`${name.padEnd(12)}${about}`);
else for (const benchmark of selected()) await run(benchmark);
