/** Results as tables of Markdown, and the page that keeps those of the last runs. */

import type { Benchmark } from './benchmark.js';
import type { Machine } from './machine.js';
import { type Results, ratios, summarise, type Values } from './statistics.js';

/** All that is said about one run of a benchmark. */
export interface Run {
  readonly benchmark: Pick<Benchmark, 'name' | 'title' | 'about' | 'measures' | 'pairs'>;
  readonly machine: Machine;
  readonly rounds: number;
  readonly results: Results;
  /** Contenders that did not take part, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/** The same as plain data: medians, bests and values of every contender, and ratios. */
export function runAsJson({ benchmark, machine, rounds, results, leftOut }: Run): unknown {
  const contenders = Object.entries(results).map(([name, values]) => ({
    name,
    measures: benchmark.measures.flatMap((measure) => {
      const own = values[measure.name];
      return own ? [{ ...measure, ...summarise(own, measure.better), values: own }] : [];
    }),
  }));
  const pairs = comparisons(benchmark, results).map(({ ours, theirs, by }) => ({ ours, theirs, ratios: by }));
  return { benchmark: benchmark.name, machine, rounds, contenders, pairs, leftOut };
}

/** A heading, the table of medians and bests, the ratios, who is missing, and the machine. */
export function runAsMarkdown(run: Run, how: { readonly date: string; readonly command: string }): string {
  const { benchmark, machine, rounds, results, leftOut } = run;
  const counted = rounds === 1 ? 'one round' : `medians (bests) of ${rounds} rounds`;
  const missing = Object.entries(leftOut).map(([name, reason]) => `${name} (${reason})`);
  return [
    `## ${benchmark.title}`,
    benchmark.about,
    measuresTable(benchmark, results),
    ...ratiosTable(benchmark, results),
    ...(missing.length > 0 ? [`Left out: ${missing.join('; ')}.`] : []),
    `\`${how.command}\`, ${how.date}, ${counted}. ${machineLine(machine)}`,
  ].join('\n\n');
}

function measuresTable({ measures }: Run['benchmark'], results: Results): string {
  const heads = measures.map(({ name, unit }) => (unit ? `${name}, ${unit}` : name));
  const rows = Object.entries(results).map(([name, values]) => [
    name,
    ...measures.map(({ name: measure, better }) => cell(values[measure], better)),
  ]);
  return table(['', ...heads], rows);
}

function cell(values: readonly number[] | undefined, better: 'more' | 'less'): string {
  if (!values) return '';
  const { median, best } = summarise(values, better);
  return values.length === 1 ? short(median) : `${short(median)} (${short(best)})`;
}

function ratiosTable(benchmark: Run['benchmark'], results: Results): string[] {
  const pairs = comparisons(benchmark, results);
  if (pairs.length === 0) return [];
  const names = benchmark.measures.map(({ name }) => name).filter((name) => pairs.some(({ by }) => name in by));
  const rows = pairs.map(({ ours, theirs, by }) => [
    `${ours} / ${theirs}`,
    ...names.map((name) => (by[name] === undefined ? '' : by[name].toFixed(2))),
  ]);
  return [table(['ratio', ...names], rows)];
}

/** The pairs of which both took part. */
function comparisons({ pairs }: Run['benchmark'], results: Results) {
  return pairs
    .filter(([ours, theirs]) => results[ours] && results[theirs])
    .map(([ours, theirs]) => ({ ours, theirs, by: ratios(results[ours] as Values, results[theirs] as Values) }));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map((_, i) => (i === 0 ? '---' : '--:')).join('|')}|`, ...rows.map(line)].join('\n');
}

/** Three digits of what is above one; two behind the point of what is below. */
export function short(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1))));
  return value.toFixed(digits);
}

function machineLine({ processor, cores, features, memory, governor, realtime, load, versions }: Machine): string {
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const facts = [
    `${processor}, ${cores} cores (${features.join(', ') || 'no vector extensions known'})`,
    `${memory} GiB`,
    `governor ${governor ?? 'unknown'}`,
    realtime ? 'real-time priority' : 'ordinary priority',
    `load ${load.toFixed(1)} before`,
  ];
  return `${facts.join(', ')}. ${versionList.join(', ')}.`;
}

/**
 * The page with a benchmark's section replaced by another or, where there is none, put where the order of titles says. A
 * section reaches from its heading to the next.
 */
export function withSection(page: string, section: string, titles: readonly string[]): string {
  const [opening = '', ...sections] = page.trimEnd().split(/^(?=## )/m);
  const titleOf = (text: string): string => /^## (.*)$/m.exec(text)?.[1] ?? '';
  const kept = sections.filter((text) => titleOf(text) !== titleOf(section));
  const placeOf = (text: string): number => {
    const place = titles.indexOf(titleOf(text));
    return place < 0 ? titles.length : place;
  };
  const all = [...kept, section].toSorted((a, b) => placeOf(a) - placeOf(b));
  return `${[opening, ...all].map((text) => text.trim()).join('\n\n')}\n`;
}
