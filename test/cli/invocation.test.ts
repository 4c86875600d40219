import { join, sep } from 'node:path';
import { expect, test } from 'vitest';
import { invocation } from '../../src/cli/invocation.js';

const cwd = join(sep, 'home', 'me', 'project');

test.each([
  ['npm run quintet --', { npm_lifecycle_event: 'quintet' }, `${cwd}/src/cli/main.ts`],
  ['npm run quintet --', { npm_lifecycle_event: 'start' }, `${cwd}/src/cli/main.ts`],
  ['npx quintet', { npm_lifecycle_event: 'npx' }, `${cwd}/node_modules/.bin/quintet`],
  ['npx quintet', {}, '/home/me/project/node_modules/.bin/quintet'],
  ['npx quintet', {}, '/home/me/node_modules/quintet/dist/cli/main.js'],
  ['quintet', {}, '/usr/lib/node_modules/quintet/dist/cli/main.js'],
  ['quintet', {}, '/usr/local/bin/quintet'],
  ['node dist/cli/main.js', {}, `${cwd}/dist/cli/main.js`],
  ['npx tsx src/cli/main.ts', { npm_lifecycle_event: 'npx' }, `${cwd}/src/cli/main.ts`],
  ['node "../my clone/dist/cli/main.js"', {}, '/home/me/my clone/dist/cli/main.js'],
])('what calls the program again is %j', (expected, env, program) => {
  expect(invocation({ env, argv: ['/usr/bin/node', program, 'info', 'x'], cwd })).toBe(expected);
});
