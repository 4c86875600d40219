/** `quintet` as a command, for a process of its own. */
import { fileURLToPath } from 'node:url';

const inRoot = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Set where `dist` was built from these sources: it starts in a third of the time. */
export const builtVariable = 'QUINTET_TEST_BUILT';

/** Node and its arguments, behind which those of `quintet` come. */
export const quintetCommand: readonly [string, ...string[]] = process.env[builtVariable]
  ? [process.execPath, inRoot('dist/cli/main.js')]
  : [process.execPath, '--import', import.meta.resolve('tsx'), inRoot('src/cli/main.ts')];
