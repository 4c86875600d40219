/** What a call of the benchmarks asks for. */

import { parseArgs } from 'node:util';
import { nearest } from '../src/tensor/index.js';
import { benchmarks } from './benchmarks/all.js';
import type { Benchmark } from './harness/benchmark.js';

const names = benchmarks.map(({ name }) => name);

export const usage = `npm run bench -- [NAME...] [--rounds N] [--json] [--only TEXT]      default: all of them
npm run bench -- --list

Each contender is a process of its own; they take turns, round by round. Results are printed and put into
docs/benchmarks.md, unless --only leaves out contenders whose names do not contain a text.

Names: ${names.join(', ')}`;

export interface Call {
  readonly help: boolean;
  readonly list: boolean;
  readonly json: boolean;
  readonly rounds: number;
  /** Whether no contender is left out: only then is the page written. */
  readonly whole: boolean;
  /** None where nothing is to be measured. */
  readonly selected: readonly Benchmark[];
}

/** Reads the arguments; throws an error that says what is wrong with them. */
export function readCall(args: readonly string[]): Call {
  const { values, positionals } = parsed(args);
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds: expected a whole number from 1 on, got ${values.rounds}`);
  }
  const { help = false, list = false, json = false, only } = values;
  const selected = help || list ? [] : select(positionals, only);
  return { help, list, json, rounds, whole: only === undefined, selected };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
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
    throw new Error(`${(error as Error).message}\n${usage}`);
  }
}

/** The benchmarks of these names, or all; their contenders with a text in their names. */
function select(asked: readonly string[], only = ''): readonly Benchmark[] {
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const guess = nearest(unknown, names);
    const next = guess === undefined ? `there are ${names.join(', ')}` : `did you mean ${guess}?`;
    throw new Error(`no benchmark is called ${unknown}; ${next}`);
  }
  const named = benchmarks.filter(({ name }) => asked.length === 0 || asked.includes(name));
  const left = named
    .map((each) => ({ ...each, contenders: each.contenders.filter(({ name }) => name.includes(only)) }))
    .filter(({ contenders }) => contenders.length > 0);
  if (left.length > 0) return left;
  const all = new Set(named.flatMap(({ contenders }) => contenders.map(({ name }) => name)));
  throw new Error(`--only ${only}: no contender has that in its name; there are ${[...all].join(', ')}`);
}
