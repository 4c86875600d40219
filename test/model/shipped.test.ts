/** Models that ship with Quintet: that the list is what the folders hold, and how one comes that the package does not hold. */

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  findModel,
  type PullOptions,
  pullModel,
  type ShippedModel,
  shippedModels,
  wholeFolder,
} from '../../src/model/index.js';
import { cachedFolder } from '../../src/model/shipped.js';
import { Random } from '../../src/tensor/index.js';
import { type FileServer, fileServer, partOf } from '../checkpoint/file-server.js';
import { temporaryFolder } from '../temporary.js';

const home = fileURLToPath(new URL('../../models', import.meta.url));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('the list names each file of the folders with its size and hash: after a change, scripts/list-models.ts', async () => {
  const folders = readdirSync(home).filter((name) => statSync(join(home, name)).isDirectory());
  const listed = await shippedModels();
  expect(listed.map(({ name }) => name).sort()).toEqual(folders.sort());
  for (const { name, folder, files } of listed) {
    const found = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
    expect(files.map(({ path }) => path).sort(), name).toEqual(found.sort());
    for (const { path, bytes, sha256: hash } of files) {
      const content = readFileSync(join(folder, path));
      expect([content.byteLength, sha256(content)], `${name}/${path}`).toEqual([bytes, hash]);
    }
  }
});

test('a short name means the folder of the package', async () => {
  const options = { cache: temporaryFolder(), models: temporaryFolder(), offline: true };
  for (const name of ['nano', 'smol']) expect(await findModel(name, options)).toBe(join(home, name));
});

/** 300 kB that do not repeat themselves, so that a wrong join of pieces shows. */
const random = new Random(1);
const weights = Uint8Array.from({ length: 300_000 }, () => random.integer(256));
const contents: Readonly<Record<string, Uint8Array>> = {
  'config.json': new TextEncoder().encode('{}'),
  'weights.bin': weights,
  'adapter/weights.bin': weights.subarray(0, 1000),
};
const names = Object.keys(contents);
const contentOf = (name: string): Uint8Array => contents[name] as Uint8Array;

/** A model that the list names and the package does not hold. */
const model: ShippedModel = {
  name: 'tiny',
  folder: join(home, 'none'),
  files: Object.entries(contents).map(([path, bytes]) => ({ path, bytes: bytes.byteLength, sha256: sha256(bytes) })),
};

const patience = { attempts: 2, pause: 1, stall: 300 };

async function setUp(): Promise<{ readonly server: FileServer; readonly options: PullOptions & { from: string } }> {
  const server = await fileServer(Object.fromEntries(names.map((name) => [`models/tiny/${name}`, contentOf(name)])));
  return { server, options: { models: temporaryFolder(), from: `${server.origin}/models`, patience } };
}

const forbidden = () => expect.unreachable('asked the network');

function expectWhole(folder: string): void {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(found).toHaveLength(names.length);
  for (const name of names) expect(sha256(readFileSync(join(folder, name))), name).toBe(sha256(contentOf(name)));
}

describe('a model that is pulled', () => {
  test('comes whole, and another time nobody is asked', async () => {
    const { server, options } = await setUp();
    const seen = new Map<string, number>();
    const pulled = await pullModel(model, {
      ...options,
      onProgress: ({ file, received, total }) => void seen.set(file, received / total),
    });
    expect(pulled).toEqual({ folder: expect.stringMatching(/[\\/]tiny-[0-9a-f]{12}$/), brought: 3 });
    expectWhole(pulled.folder);
    expect(server.requests).toEqual(names.map((name) => `models/tiny/${name}`));
    expect(seen).toEqual(new Map(names.map((name) => [name, 1])));
    expect(readdirSync(options.models)).toHaveLength(1); // no lock is left
    for (const again of [{ offline: true }, { fetch: forbidden }]) {
      expect(await pullModel(model, { ...options, ...again })).toEqual({ ...pulled, brought: 0 });
    }
    expect(await pullModel(model, { models: options.models })).toEqual({ ...pulled, brought: 0 });
  });

  test('goes on where a connection broke, within a call and in the next one', async () => {
    const { server, options } = await setUp();
    let cuts = 0;
    server.tamper = (request, response, body) => {
      if (body !== weights || ++cuts > 3) return false;
      const { from, headers } = partOf(request, body);
      response.writeHead(from > 0 ? 206 : 200, headers);
      // Once with progress, then twice without any.
      response.write(body.subarray(from, from + (cuts === 1 ? 100_000 : 0)), () =>
        setTimeout(() => response.destroy(), 50),
      );
      return true;
    };
    await expect(pullModel(model, options)).rejects.toMatchObject({ code: 'network' });
    const { folder, brought } = await pullModel(model, options);
    expect(brought).toBe(2);
    expectWhole(folder);
    const asked = server.requests.filter((path) => path.startsWith('models/tiny/weights.bin'));
    const resumed = 'models/tiny/weights.bin bytes=100000-';
    expect(asked).toEqual(['models/tiny/weights.bin', resumed, resumed, resumed]);
  });

  test('is never put together of other bytes, or of another version that is longer', async () => {
    const { server, options } = await setUp();
    const changed = Buffer.from(weights);
    changed[200_000] = (changed[200_000] as number) ^ 1;
    for (const [sent, message] of [
      [changed, /weights\.bin: the bytes received do not have the hash/],
      [Buffer.concat([weights, weights]), /weights\.bin: there are 600000 bytes of it, not 300000/],
    ] as const) {
      server.tamper = (_, response, body) => {
        if (body === weights) response.writeHead(200, { 'content-length': sent.length }).end(sent);
        return body === weights;
      };
      const refused = pullModel(model, options);
      await expect(refused).rejects.toMatchObject({ code: 'integrity' });
      await expect(refused).rejects.toThrow(message);
    }
    expect(await wholeFolder(model, options.models)).toBeUndefined();
    server.tamper = () => false;
    const { folder } = await pullModel(model, options);
    expectWhole(folder);
    expect(await wholeFolder(model, options.models)).toBe(folder);
  });

  test('is not read where its length is another: the connection is closed', async () => {
    let closed = 0;
    const fetch = async (): Promise<Response> =>
      new Response(new ReadableStream({ cancel: () => void closed++ }), { headers: { 'content-length': '5' } });
    const refused = pullModel(model, { models: temporaryFolder(), from: 'http://127.0.0.1/models', fetch });
    await expect(refused).rejects.toThrow('config.json: there are 5 bytes of it, not 2');
    expect(closed).toBe(1);
  });

  test('that the server does not have is told with what holds such models', async () => {
    const { server, options } = await setUp();
    const astray = pullModel(model, { ...options, from: `${server.origin}/models/tiny` });
    await expect(astray).rejects.toMatchObject({
      code: 'not-found',
      at: `${server.origin}/models/tiny/tiny/config.json`,
    });
    await expect(astray).rejects.toThrow('what holds the folder tiny of this version of Quintet');
    expect(server.requests).toHaveLength(1); // what is not there is not asked for twice
  });

  test('comes from a folder too, offline as well', async () => {
    const from = temporaryFolder(Object.fromEntries(names.map((name) => [`tiny/${name}`, contentOf(name)])));
    const options = { models: temporaryFolder(), from: pathToFileURL(from), offline: true };
    expectWhole((await pullModel(model, options)).folder);
    rmSync(join(from, 'tiny/weights.bin'));
    const other = { ...options, models: temporaryFolder() };
    await expect(pullModel(model, other)).rejects.toMatchObject({ code: 'not-found' });
    writeFileSync(join(from, 'tiny/weights.bin'), weights.subarray(0, 1000));
    await expect(pullModel(model, other)).rejects.toThrow('there are 1000 bytes of it, not 300000');
  });

  test('is not asked for offline, or where nobody says where it lies', async () => {
    const { server, options } = await setUp();
    await expect(pullModel(model, { ...options, offline: true })).rejects.toThrow(/Offline mode .* forbids/);
    await expect(pullModel(model, { models: options.models })).rejects.toThrow(
      /--from, or the variable QUINTET_MODELS/,
    );
    expect(server.requests).toEqual([]);
    expect(readdirSync(options.models)).toEqual([]);
  });

  test('is mended where a file of the cache is not what it was', async () => {
    const { server, options } = await setUp();
    const { folder } = await pullModel(model, options);
    const config = join(folder, 'config.json');
    writeFileSync(config, '[]');
    rmSync(join(folder, 'adapter'), { recursive: true });
    server.requests.length = 0;
    expect(await pullModel(model, options)).toEqual({ folder, brought: 2 });
    expect(server.requests).toEqual(['models/tiny/config.json', 'models/tiny/adapter/weights.bin']);
    expectWhole(folder);
  });

  test('can be cancelled, and asked for twice at once comes once', async () => {
    const { server, options } = await setUp();
    const cancel = new AbortController();
    server.tamper = (_, response, body) => {
      if (body !== weights) return false;
      response.writeHead(200, { 'content-length': body.length }).write(body.subarray(0, 1000), () => cancel.abort());
      return true;
    };
    await expect(pullModel(model, { ...options, signal: cancel.signal })).rejects.toMatchObject({ code: 'aborted' });
    server.tamper = () => false;
    server.requests.length = 0;
    const both = await Promise.all([pullModel(model, options), pullModel(model, options)]);
    expect(both.map(({ brought }) => brought).sort()).toEqual([0, 2]);
    expect(server.requests).toHaveLength(2);
    expect(existsSync(`${both[0].folder}.lock`)).toBe(false);
  });
});

test.runIf(process.platform === 'linux')('a file of the cache that cannot be read is told by its name', async () => {
  const models = temporaryFolder();
  const empty = { path: 'memory', bytes: 0, sha256: sha256(new Uint8Array()) };
  const unreadable = { ...model, files: [empty] };
  const folder = cachedFolder(unreadable, models);
  mkdirSync(folder);
  const file = join(folder, 'memory');
  symlinkSync('/proc/self/mem', file); // nothing is mapped where it begins
  await expect(pullModel(unreadable, { models })).rejects.toMatchObject({ code: 'io', at: file });
});
