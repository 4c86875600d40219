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

/** The names that the patterns select. A pattern that selects nothing is a mistake, and an error that shows some names. */
export function select(names: readonly string[], globs: readonly Glob[], at: string): string[] {
  for (const glob of globs) {
    if (!names.some((name) => matches(name, [glob]))) {
      throw new QuintetError('name', `the pattern "${glob}" matches no parameter`, {
        at,
        hint: `there are ${names.length}, such as ${names.slice(0, 5).join(', ')}`,
      });
    }
  }
  return names.filter((name) => matches(name, globs));
}
