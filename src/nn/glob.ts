/** Patterns over parameter names: `*` within one step of a path, `**` over any number, `{a,b}` one of several. */

import { QuintetError } from '../tensor/index.js';

export type Glob = string;

const compiled = new Map<Glob, RegExp>();

function compile(glob: Glob): RegExp {
  const known = compiled.get(glob);
  if (known) return known;
  let depth = 0;
  const source = glob.replace(/\*\*\.|\.\*\*$|\*\*|\*|[{},]|[.+?^$()|[\]\\]/g, (token) => {
    if (token === '**.') return '(?:[^.]+\\.)*';
    if (token === '.**') return '(?:\\.[^.]+)*';
    if (token === '**') return '.*';
    if (token === '*') return '[^.]*';
    if (token === '{') return `${++depth ? '(?:' : ''}`;
    if (token === '}') return `${depth-- ? ')' : ''}`;
    if (token === ',') return depth ? '|' : ',';
    return `\\${token}`;
  });
  if (depth !== 0) throw new QuintetError('name', `the pattern "${glob}" has a brace without its partner`);
  const pattern = new RegExp(`^${source}$`);
  compiled.set(glob, pattern);
  return pattern;
}

export function matches(name: string, globs: readonly Glob[]): boolean {
  return globs.some((glob) => compile(glob).test(name));
}

/**
 * The names that the patterns select. A pattern that selects nothing is a mistake, and an error that shows the names nearest
 * to it, those of all layers as one. `what` the names are of.
 */
export function select(names: readonly string[], globs: readonly Glob[], at: string, what = 'parameter'): string[] {
  const lost = globs.find((glob) => !names.some((name) => matches(name, [glob])));
  if (lost === undefined) return names.filter((name) => matches(name, globs));
  throw new QuintetError('name', `the pattern "${lost}" matches no ${what}`, { at, hint: hintFor(lost, names) });
}

function hintFor(lost: Glob, names: readonly string[]): string {
  const deep = `**.${lost}`;
  const ending = names.filter((name) => matches(name, [deep]));
  if (ending.length > 0) return `a pattern is of whole names: "${deep}" matches ${ending.length}, such as ${ending[0]}`;
  const kinds = [...new Set(names.map((name) => name.replace(/(?<=^|\.)\d+(?=\.|$)/g, '*')))];
  const near = nearestTo(lost, kinds);
  if (near.length > 0) return `the nearest ${near.length === 1 ? 'is' : 'are'} ${near.join(', ')}`;
  return `there are ${names.length}, such as ${kinds.slice(0, 5).join(', ')}`;
}

/** The names that a pattern misses by the fewest characters, and by no more than half of its own. */
function nearestTo(glob: Glob, names: readonly string[]): string[] {
  const alternatives = withoutBraces(glob).map((text) => text.match(/\.\*\*$|\*\*\.|\*+|./g) ?? []);
  const most = Math.max(3, glob.replace(/[*.]/g, '').length / 2);
  const rated = names.map((name) => ({ name, misses: Math.min(...alternatives.map((one) => missesOf(one, name))) }));
  const least = Math.min(...rated.map(({ misses }) => misses));
  return least > most
    ? []
    : rated
        .filter(({ misses }) => misses === least)
        .map(({ name }) => name)
        .slice(0, 4);
}

/** Edits that make a name fit a pattern, whose stars stand for anything. */
function missesOf(tokens: readonly string[], name: string): number {
  let row = Array.from({ length: name.length + 1 }, (_, j) => j);
  for (const token of tokens) {
    const isStar = token.includes('*');
    const next = [(row[0] as number) + (isStar ? 0 : 1)];
    for (let j = 1; j <= name.length; j++) {
      const [above, left, before] = [row[j] as number, next[j - 1] as number, row[j - 1] as number];
      next.push(
        isStar ? Math.min(above, left) : Math.min(above + 1, left + 1, before + (token === name[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[name.length] as number;
}

/** The patterns that one with braces stands for; of very many the first ones. */
function withoutBraces(glob: Glob): Glob[] {
  let all = [glob];
  while (all.length < 64 && all.some((one) => /\{[^{}]*\}/.test(one))) {
    all = all.flatMap((one) => {
      const [braces, inside] = /\{([^{}]*)\}/.exec(one) ?? [];
      if (braces === undefined || inside === undefined) return [one];
      return inside.split(',').map((choice) => one.replace(braces, choice));
    });
  }
  return all;
}
