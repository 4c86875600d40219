/**
 * The structure check: which folder imports which, what pure code keeps away from, and how long files and functions are.
 * It looks at paths and texts only, so that a test can hand it a project of its own.
 */

import { posix } from 'node:path';
import { type Allowed, exceptions, forbidden, free, imports, limits, outsidePaths, unwanted } from './rules.js';
import { type Import, readSource, type Source } from './source.js';

/** Texts of a project by their paths from its root, with `/` between names. */
export type Project = ReadonlyMap<string, string>;

export interface Report {
  /** A line each: where, what, and what to do. */
  readonly violations: readonly string[];
  readonly files: readonly { readonly path: string; readonly lines: number }[];
  readonly functions: readonly { readonly path: string; readonly name: string; readonly lines: number }[];
}

/** The rules have to name what they look for, and their test plants it. */
const itself: readonly string[] = ['scripts/structure/rules.ts', 'test/structure.test.ts'];

export function checkStructure(project: Project): Report {
  const violations: string[] = [];
  const files: Report['files'][number][] = [];
  const functions: Report['functions'][number][] = [];
  const excused = new Set<object>();
  for (const [path, text] of project) {
    if (!itself.includes(path)) violations.push(...unwantedTexts(path, text));
    if (!path.endsWith('.ts')) continue;
    const source = readSource(path, text);
    files.push({ path, lines: lineCount(text) });
    functions.push(...source.functions.map((span) => ({ ...span, path })));
    violations.push(...sizes(path, text, source, excused));
    if (path.startsWith('src/')) violations.push(...directions(path, source), ...purity(path, source, excused));
    if (path.startsWith('test/') && !itself.includes(path)) violations.push(...outside(path, source));
  }
  violations.push(...unlisted(project));
  for (const exception of Object.values(exceptions).flat()) {
    if (project.has(exception.path) && !excused.has(exception)) {
      violations.push(`${exception.path}: the exception "${exception.reason}" is not needed any more`);
    }
  }
  return { violations, files, functions };
}

/** The folder of a file of `src` as the rules name it; `.` for files beside the folders. */
function folderOf(path: string): string {
  const [, folder = '', inner, below] = path.split('/');
  if (inner === undefined) return '.';
  return folder === 'parts' && below !== undefined ? `parts/${inner}` : folder;
}

function ruleOf(folder: string): Allowed | undefined {
  return imports[folder.startsWith('parts/') ? 'parts/*' : folder];
}

function directions(path: string, { imports: used }: Source): string[] {
  const folder = folderOf(path);
  if (free.includes(folder)) return [];
  const rule = ruleOf(folder);
  if (!rule) return [`${path}: src/${folder} has no line in scripts/structure/rules.ts`];
  return used.flatMap((one) => {
    const wrong = one.specifier.startsWith('.') ? wrongFolder(path, folder, rule, one) : wrongPackage(rule, one);
    return wrong ? [`${path}:${one.line}: ${wrong}`] : [];
  });
}

function wrongFolder(path: string, folder: string, { values = [], types = [] }: Allowed, one: Import) {
  const target = posix.join(posix.dirname(path), one.specifier);
  if (!target.startsWith('src/')) return `imports ${target}, which is not in src`;
  const to = folderOf(target);
  if (to === folder || to === 'tensor') return undefined;
  const any = to.startsWith('parts/') ? 'parts/*' : to;
  if (values.includes(any)) return undefined;
  if (!types.includes(any)) return `${folder} may not import ${to}`;
  return one.typesOnly ? undefined : `${folder} may import only types from ${to}`;
}

function wrongPackage({ packages = [] }: Allowed, { specifier }: Import): string | undefined {
  if (specifier === '') return packages.includes('*') ? undefined : 'may not import a module whose name is computed';
  const name = specifier.startsWith('node:')
    ? 'node'
    : specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return packages.includes(name) ? undefined : `may not import ${specifier}`;
}

function purity(path: string, { names }: Source, excused: Set<object>): string[] {
  if (free.includes(folderOf(path))) return [];
  return names.flatMap(({ text, line }) => {
    const known = Object.hasOwn(forbidden, text);
    const instead = text.startsWith('console.') ? 'report through a callback' : known ? forbidden[text] : undefined;
    if (instead === undefined) return [];
    const exception = exceptions.names.find((one) => one.path === path && one.name === text);
    if (!exception) return [`${path}:${line}: uses ${text}; ${instead}`];
    excused.add(exception);
    return [];
  });
}

function sizes(path: string, text: string, { functions }: Source, excused: Set<object>): string[] {
  const found: string[] = [];
  const lines = lineCount(text);
  if (lines > limits.file) {
    const exception = exceptions.files.find((one) => one.path === path);
    if (exception) excused.add(exception);
    else found.push(`${path}: ${lines} lines; a file has at most ${limits.file}`);
  }
  // A test's function is a list of statements about one thing.
  if (path.startsWith('test/')) return found;
  for (const one of functions.filter((span) => span.lines > limits.function)) {
    const exception = exceptions.functions.find((known) => known.path === path && known.name === one.name);
    if (exception) excused.add(exception);
    else
      found.push(`${path}:${one.line}: ${one.name} has ${one.lines} lines; a function has at most ${limits.function}`);
  }
  return found;
}

/** Tests read nothing but the project: no absolute paths where they read, and no relative ones that leave it. */
function outside(path: string, { texts, reads, imports: used }: Source): string[] {
  const absolute = reads.filter(
    ({ text }) => /^(?:file:)?\//.test(text) && !outsidePaths.some((known) => text.startsWith(known)),
  );
  const leaving = [...texts, ...used.map(({ specifier, line }) => ({ text: specifier, line }))].filter(
    ({ text }) => text.startsWith('../') && posix.join(posix.dirname(path), text).startsWith('..'),
  );
  return [...absolute, ...leaving].map(({ text, line }) => `${path}:${line}: "${text}" lies outside the project`);
}

function unwantedTexts(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, i) =>
      unwanted
        .filter(({ pattern }) => pattern.test(line))
        .map(({ what }) => `${path}:${i + 1}: mentions ${what}: ${line.trim().slice(0, 80)}`),
    );
}

/** Every folder of `src` has its line in ARCHITECTURE.md, in bold-free code as `folder/`. */
function unlisted(project: Project): string[] {
  const text = project.get('ARCHITECTURE.md') ?? '';
  const folders = new Set([...project.keys()].filter((path) => path.startsWith('src/')).map(folderOf));
  folders.delete('.');
  return [...folders]
    .filter((folder) => !text.includes(`\`${folder}/\``))
    .map((folder) => `ARCHITECTURE.md: no word about \`${folder}/\``);
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
