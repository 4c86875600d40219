/** Quintet in processes of their own. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Set where `dist` was built from these sources: it starts in a third of the time. */
export const builtVariable = 'QUINTET_TEST_BUILT';

/** Whether the tests run what was built. `scripts/test.ts` sets the variable after it has built. */
export const isBuilt = process.env[builtVariable] !== undefined;

/** The address of a module of Quintet's that such a process may import, such as `cli/main`. */
export const moduleUrl = (name: string): string =>
  new URL(isBuilt ? `../dist/${name}.js` : `../src/${name}.ts`, import.meta.url).href;

/** Node and its arguments, behind which a program comes that imports such modules. */
export const nodeCommand: readonly [string, ...string[]] = isBuilt
  ? [process.execPath]
  : [process.execPath, '--import', import.meta.resolve('tsx')];

/** What Node prints that is given these arguments, such as a program's file. */
export function printedByNode(...args: readonly string[]): string {
  const [node, ...options] = nodeCommand;
  return execFileSync(node, [...options, ...args], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    encoding: 'utf8',
  });
}

/** What a program prints that is a text itself. */
export const printedByText = (program: string): string => printedByNode('--input-type=module', '-e', program);

/** Node and its arguments, behind which those of `quintet` come. */
export const quintetCommand: readonly [string, ...string[]] = [...nodeCommand, fileURLToPath(moduleUrl('cli/main'))];
