/** The structure check finds what it is for, in projects of a file or two. */

import { expect, test } from 'vitest';
import { checkStructure } from '../scripts/structure/check.js';

/** The violations in a project of these files, but for folders that ARCHITECTURE.md does not list. */
function violations(files: Record<string, string>): readonly string[] {
  return checkStructure(new Map(Object.entries(files))).violations.filter(
    (line) => !line.startsWith('ARCHITECTURE.md'),
  );
}

/** The violation of one file of src. */
function violation(path: string, text: string): string | undefined {
  const found = violations({ [path]: text });
  expect(found.length).toBeLessThan(2);
  return found[0];
}

const text = (lines: number, line = '//'): string => `${line}\n`.repeat(lines);

test.each([
  ['src/graph/a.ts', '../nn/index.js', 'graph may not import nn'],
  ['src/nn/a.ts', '../runtime/engine.js', 'nn may not import runtime'],
  ['src/data/a.ts', '../system/index.js', 'data may not import system'],
  ['src/recipes/a.ts', '../model/index.js', 'recipes may not import model'],
  ['src/parts/encoders/a.ts', '../backbones/llama.js', 'parts/encoders may not import parts/backbones'],
  ['src/system/a.ts', '../parts/types.js', 'system may import only types from parts'],
  ['src/train/a.ts', '../runtime/index.js', 'train may import only types from runtime'],
  ['src/model/a.ts', '../../scripts/b.js', 'imports scripts/b.js, which is not in src'],
  ['src/model/a.ts', 'onnxruntime-web', 'may not import onnxruntime-web'],
  ['src/graph/a.ts', 'node:fs', 'may not import node:fs'],
  ['src/text/a.ts', '@someone/jinja/parser', 'may not import @someone/jinja/parser'],
])('%s may not import %s', (path, specifier, message) => {
  for (const line of [
    `import { x } from '${specifier}';`,
    `export * from '${specifier}';`,
    `await import('${specifier}');`,
    `await import(\`${specifier}\`);`,
  ]) {
    expect(violation(path, `//\n${line}`)).toBe(`${path}:2: ${message}`);
  }
});

test.each([
  ['src/graph/a.ts', "import { x } from '../tensor/index.js';"],
  ['src/system/a.ts', "import type { x } from '../parts/types.js';"],
  ['src/system/a.ts', "import { type x, type y } from '../parts/types.js';"],
  ['src/train/a.ts', "export type { x } from '../runtime/engine.js';"],
  ['src/parts/encoders/a.ts', "import { x } from './clip.js';"],
  ['src/runtime/a.ts', "import { x } from 'onnxruntime-web/wasm';"],
  ['src/cli/a.ts', "import { x } from '../train/index.js'; import 'anything'; console.log(Date.now());"],
  ['src/index.ts', "export * from './model/index.js';"],
])('%s may say: %s', (path, line) => {
  expect(violation(path, line)).toBeUndefined();
});

test('one of several imported names that is no type makes a value import', () => {
  const line = "import { type x, y } from '../parts/types.js';";
  expect(violation('src/system/a.ts', line)).toBe('src/system/a.ts:1: system may import only types from parts');
});

test('a folder without a rule is found', () => {
  expect(violation('src/new/a.ts', '//')).toBe('src/new/a.ts: src/new has no line in scripts/structure/rules.ts');
});

test('a folder of src that ARCHITECTURE.md does not list is found', () => {
  const files = { 'src/graph/a.ts': '//', 'src/parts/encoders/a.ts': '//', 'ARCHITECTURE.md': 'is: `graph/`' };
  expect(checkStructure(new Map(Object.entries(files))).violations).toEqual([
    'ARCHITECTURE.md: no word about `parts/encoders/`',
  ]);
});

test.each([
  'Math.random()',
  'Date.now()',
  'new Date()',
  'performance.now()',
  'process.env.HOME',
  'globalThis.process?.env',
  "console.log('')",
])('pure code may not use %s', (expression) => {
  expect(violation('src/model/a.ts', `x = ${expression};`)).toMatch(/^src\/model\/a.ts:1: uses /);
  expect(violation('src/model/a.ts', `// ${expression}\nx = "${expression.replaceAll('"', '')}";`)).toBeUndefined();
});

test('taking a forbidden name apart is using it', () => {
  expect(violation('src/model/a.ts', 'const { env } = process;')).toMatch(/uses process.env/);
  expect(violation('src/model/a.ts', 'export const a = ({ env } = process) => env;')).toMatch(/uses process.env/);
});

test('a date that is given its time is pure', () => {
  expect(violation('src/text/a.ts', 'x = new Date(0);')).toBeUndefined();
});

test('files have at most 400 lines', () => {
  expect(violation('src/graph/a.ts', text(400))).toBeUndefined();
  expect(violation('test/a.test.ts', text(401))).toBe('test/a.test.ts: 401 lines; a file has at most 400');
});

test.each([
  ['constructor', (body: string) => `class A {\n  constructor() {\n${body}}\n}\n`],
  ['method', (body: string) => `class A {\n  method() {\n${body}}\n}\n`],
  ['#hidden', (body: string) => `class A {\n  static async #hidden() {\n${body}}\n}\n`],
  ['size', (body: string) => `const a = {\n  get size() {\n${body}}\n};\n`],
  ['method', (body: string) => `const a = {\n  async *method() {\n${body}}\n};\n`],
  ['arrow', (body: string) => `const a = {\n  arrow: () => {\n${body}}\n};\n`],
  ['typed', (body: string) => `\nconst typed: Kind = async () => {\n${body}};\n`],
  ['(nameless)', (body: string) => `\nexport default () => {\n${body}};\n`],
])('a long %s is found wherever it stands', (name, around) => {
  expect(violation('src/graph/a.ts', around(text(58)))).toBeUndefined();
  expect(violation('src/graph/a.ts', around(text(59)))).toBe(
    `src/graph/a.ts:2: ${name} has 61 lines; a function has at most 60`,
  );
});

test('functions have at most 60 lines, not counting functions within that have a name of their own', () => {
  const of = (lines: number, before = ''): string => `function long() {\n${before}${text(lines - 2)}}\n`;
  expect(violation('src/graph/a.ts', of(60))).toBeUndefined();
  expect(violation('src/graph/a.ts', of(61))).toBe('src/graph/a.ts:1: long has 61 lines; a function has at most 60');
  expect(violation('src/graph/a.ts', of(60, `const inner = () => {\n${text(40)}};\n`))).toBeUndefined();
  expect(violation('src/graph/a.ts', of(60, `list.map(() => {\n${text(40)}});\n`))).toMatch(/long has 102 lines/);
});

test('an exception that nothing needs is found', () => {
  expect(violation('test/graph/samples/index.ts', '//')).toMatch(
    /^test\/graph\/samples\/index.ts: the exception .* not/,
  );
});

test.each([
  ["readFileSync('/etc/passwd')", '/etc/passwd'],
  ["fs.promises.open('file:///etc/passwd')", 'file:///etc/passwd'],
  ["new URL('../../fixtures', import.meta.url)", '../../fixtures'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a program
  ['join(import.meta.dirname, `../../../${name}`)', '../../../'],
])('a test may not read outside the project: %s', (expression, path) => {
  expect(violation('test/b.test.ts', expression)).toBe(`test/b.test.ts:1: "${path}" lies outside the project`);
});

test('a test may read the project, and hold paths that it does not read', () => {
  expect(violation('test/a/b.test.ts', "read(new URL('../fixtures/x', import.meta.url)); parse('/etc/passwd')")).toBe(
    undefined,
  );
});

test.each(['see /work/notes', 'kept in /tmp/x', 'TODO: finish', 'renamed as requested'])(
  'no text of the project says: %s',
  (line) => {
    expect(violation('docs/a.md', `# A\n\n${line}\n`)).toMatch(/^docs\/a.md:3: mentions /);
  },
);
