/** Quintet beside what else there is: `npm run bench -- --help`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../src/tensor/index.js';
import { benchmarks } from './benchmarks/all.js';
import type { Benchmark } from './harness/benchmark.js';
import { describeMachine } from './harness/machine.js';
import { cacheFolder, projectFolder } from './harness/paths.js';
import { runAsJson, runAsMarkdown, withSection } from './harness/report.js';
import { runBenchmark } from './harness/rounds.js';

const usage = `npm run bench -- [NAME...] [--rounds N] [--json] [--only TEXT]      default: all of them
npm run bench -- --list

Each contender is a process of its own; they take turns, round by round. Results are printed and put into
docs/benchmarks.md, unless --only leaves out contenders whose names do not contain a text.

Names: ${benchmarks.map(({ name }) => name).join(', ')}`;

const page = join(projectFolder, 'docs', 'benchmarks.md');

/** Says what is wrong with the call, and ends. */
function refuse(problem: string): never {
  console.error(`error: ${problem}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        list: { type: 'boolean' },
        json: { type: 'boolean' },
        rounds: { type: 'string', default: '3' },
        only: { type: 'string' },
      },
    });
  } catch (error) {
    return refuse(`${(error as Error).message}\n${usage}`);
  }
}

const { values, positionals } = readArguments();
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  refuse(`--rounds: expected a whole number from 1 on, got ${values.rounds}`);
}

function selected(): readonly Benchmark[] {
  const names = benchmarks.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const guess = nearest(unknown, names);
    const next = guess === undefined ? `there are ${names.join(', ')}` : `did you mean ${guess}?`;
    refuse(`no benchmark is called ${unknown}; ${next}`);
  }
  const { only = '' } = values;
  const asked = benchmarks.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const left = asked
    .map((each) => ({ ...each, contenders: each.contenders.filter(({ name }) => name.includes(only)) }))
    .filter(({ contenders }) => contenders.length > 0);
  if (left.length > 0) return left;
  const all = new Set(asked.flatMap(({ contenders }) => contenders.map(({ name }) => name)));
  return refuse(`--only ${only}: no contender has that in its name; there are ${[...all].join(', ')}`);
}

async function run(benchmark: Benchmark): Promise<void> {
  const machine = describeMachine();
  const onNotice = (notice: string) => console.error(notice);
  const result = await runBenchmark(benchmark, { machine, rounds, onNotice });
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
