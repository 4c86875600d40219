/** How the program was called: lines that a user may type next begin with it. */

import { basename, relative } from 'node:path';

interface Started {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of Node: itself, the program, its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
}

/** What calls the program again, as in `quintet`, `npx quintet` or `npm run quintet --`. */
export function invocation({ env, argv, cwd }: Started = { env: process.env, argv: process.argv, cwd: process.cwd() }) {
  const script = env.npm_lifecycle_event;
  if (script === 'quintet' || script === 'start') return 'npm run quintet --';
  const program = argv[1] ?? '';
  if (script === 'npx' && !program.endsWith('.ts')) return 'npx quintet';
  if (/[\\/]node_modules[\\/]/.test(program)) return isGlobal(program, cwd) ? 'quintet' : 'npx quintet';
  // A link on the PATH, or no file of this package.
  if (!/^main\.[jt]s$/.test(basename(program))) return 'quintet';
  const path = relative(cwd, program);
  return `${program.endsWith('.ts') ? 'npx tsx' : 'node'} ${typed(path)}`;
}

/** What calls the demonstration again. */
export const demoInvocation = (): string =>
  process.env.npm_lifecycle_event === 'start' ? 'npm start --' : `${invocation()} demo`;

/** A path as a shell takes it for one word. */
export const typed = (path: string): string => (/[\s'"()&;]/.test(path) ? JSON.stringify(path) : path);

/** Whether a program lies in no folder of packages that belongs to where it was called, or to a folder above. */
function isGlobal(program: string, cwd: string): boolean {
  const project = program.slice(0, program.search(/[\\/]node_modules[\\/]/));
  return !`${cwd}/`.replaceAll('\\', '/').startsWith(`${project}/`.replaceAll('\\', '/'));
}
