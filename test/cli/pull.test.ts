/** Models that ship with Quintet but not in its package, from a package that has only their list. */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { modelsAddress } from '../../src/cli/package.js';
import { fileServer, partOf } from '../checkpoint/file-server.js';
import { isBuilt, nodeCommand } from '../command.js';
import { sharedFolder, temporaryFolder } from '../temporary.js';
import { type Ended, here, quintet } from './cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const llava = join(root, 'test/fixtures/llava');
const { answer_text: answer } = JSON.parse(readFileSync(join(llava, 'expected.json'), 'utf8')) as {
  answer_text: string;
};

/** A package that lists a model, a fixture under the name of one that ships, and does not hold it. */
const folder = sharedFolder();
const command = [...nodeCommand, join(folder, isBuilt ? 'dist/cli/main.js' : 'src/cli/main.ts')] as const;
/** What the package lacks, as a clone's `models` has it. */
const elsewhere = join(folder, 'elsewhere');

/** Several processes one after another, which others may slow down. */
const patience = 120_000;

beforeAll(() => {
  for (const path of ['package.json', 'src', ...(isBuilt ? ['dist'] : []), 'scripts/list-models.ts']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(llava, 'model'), join(folder, 'models/smol'), { recursive: true });
  execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), join(folder, 'scripts/list-models.ts')]);
  mkdirSync(elsewhere);
  renameSync(join(folder, 'models/smol'), join(elsewhere, 'smol'));
}, patience);

const errorOf = ({ code, stdout, stderr }: Ended): string => {
  expect([code, stdout]).toEqual([1, '']);
  return stderr;
};

test('a model that the package lacks comes from a server, where it broke off goes on, and is there from then on', {
  timeout: patience,
}, async () => {
  const names = readdirSync(join(elsewhere, 'smol'));
  const server = await fileServer(
    Object.fromEntries(names.map((name) => [`v1/smol/${name}`, readFileSync(join(elsewhere, 'smol', name))])),
  );
  const cache = temporaryFolder();
  const env = { QUINTET_CACHE: cache, QUINTET_MODELS: `${server.origin}/v1`, HF_HUB_OFFLINE: '0' };
  server.tamper = (request, response, body) => {
    if (!request.url?.endsWith('.safetensors')) return false;
    // The rest never comes.
    response.writeHead(200, partOf(request, body).headers).write(body.subarray(0, 1000));
    return true;
  };
  const models = join(cache, 'models');
  const partial = (): number => {
    const [name] = existsSync(models) ? readdirSync(models).filter((entry) => !entry.endsWith('.lock')) : [];
    const file = join(models, name ?? 'none', 'model.safetensors.incomplete');
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  };
  const broken = await quintet(['pull', 'smol'], {
    ...{ command, env },
    async onStart(signal) {
      await vi.waitUntil(() => partial() === 1000, { timeout: patience / 2 });
      signal('SIGINT');
    },
  });
  expect([broken.code, broken.stdout]).toEqual([130, '']);

  server.tamper = () => false;
  const pulled = await quintet(['pull', 'smol'], { command, env });
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(server.requests).toContain('v1/smol/model.safetensors bytes=1000-');
  expect(pulled.stdout.startsWith(join(models, 'smol-'))).toBe(true);
  expect(pulled.stderr).toMatch(/^model\.safetensors {2}\S+ kB of \S+ kB$/m);
  expect(pulled.stderr).toMatch(/^Try it: .* chat smol$/m);

  const before = server.requests.length;
  const again = await quintet(['pull', 'smol', '--offline'], { command, env });
  expect(again).toMatchObject({ code: 0, stdout: pulled.stdout });
  expect(again.stderr).toMatch(/^smol is here already$/m);
  expect(server.requests).toHaveLength(before);
});

test('its name is a recipe and no model before it was pulled; it comes from a folder, too, and answers, wherever it is asked', {
  timeout: patience,
}, async () => {
  const env = { QUINTET_CACHE: temporaryFolder(), QUINTET_MODELS: join(folder, 'none') };
  const run = (...args: readonly string[]): Promise<Ended> => quintet(args, { command, env });
  const chat = ['chat', 'smol', join(llava, 'media/one.png'), 'What do you see?', '--max-tokens', '16'];
  expect(errorOf(await run(...chat))).toMatch(
    /^error: smol: not all files .*\n {2}`quintet pull smol` brings them \(0 MB\), once\.\n$/,
  );
  expect(JSON.parse((await run('info', 'smol', '--json')).stdout)).toMatchObject({ sizes: ['135m', 'tiny'] });
  expect(errorOf(await run('pull', 'smol'))).toMatch(
    /smol\/chat_template\.jinja: no such file\n {2}The place to name is what holds the folder smol/,
  );
  const pulled = await run('pull', 'smol', '--offline', '--from', pathToFileURL(elsewhere).href);
  expect(pulled.code, pulled.stderr).toBe(0);
  expect((await run(...chat)).stdout).toBe(`${answer}\n`);

  // Where something else is called so.
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, 'smol'));
  const shown = await quintet(['demo', join(llava, 'media/one.png'), 'What do you see?'], { command, env, cwd });
  expect(shown.code, shown.stderr).toBe(0);
  expect(shown.stdout).toContain(`> What do you see?\n${answer}`);
  expect(shown.stdout).toMatch(/chat \S+models\/smol-[0-9a-f]{12} /);
});

test('what a clone has is not pulled, and is what its name means where no size is asked for; each option is for the models that it is for', async () => {
  const { code, stdout, stderr } = await here(['pull', 'smol', '--from', 'nowhere']);
  expect(code, stderr).toBe(0);
  expect(stdout).toBe(`${join(root, 'models/smol')}\n`);
  expect(stderr).toMatch(/^smol is here already: nothing was brought from nowhere\n/);
  const described = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse((await here(['info', 'nano', '--json', ...args])).stdout);
  expect(await described()).toMatchObject({ name: 'nano', path: join(root, 'models/nano') });
  expect(await described('--size', 'tiny')).not.toHaveProperty('path');
  const mistaken = [
    await here(['pull', 'org/name', '--from', 'models']),
    await here(['pull', 'smol', '--revision', 'main']),
    await here(['pull', 'smol', '--from', 'https://']),
  ];
  expect(mistaken.map(({ code }) => code)).toEqual([2, 2, 2]);
  expect(mistaken[0]?.stderr).toBe('error: --from is for the models that ship with Quintet: nano, smol\n');
});

describe('where models lie by default', () => {
  const address = 'https://github.com/some/thing/raw/v1.2.3/models';
  test.each([
    ['some/thing', address],
    ['github:some/thing', address],
    ['https://github.com/some/thing', address],
    [{ url: 'git+https://github.com/some/thing.git' }, address],
    [{ url: 'git+ssh://git@github.com/some/thing.git' }, address],
    ['git@github.com:some/thing.git', address],
    ['https://gitlab.com/some/thing', undefined],
    ['https://github.com.example.org/some/thing', undefined],
    ['gitlab:some/thing', undefined],
    [undefined, undefined],
  ])('by the repository %j', (repository, expected) => {
    expect(modelsAddress({ version: '1.2.3', ...(repository === undefined ? {} : { repository }) })).toBe(expected);
  });
});
