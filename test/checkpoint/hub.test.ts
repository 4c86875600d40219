import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type HubOptions, openModelFolder, partsOfModelName, resolveModel } from '../../src/checkpoint/index.js';
import { ownProcess, type Process, wordOf } from '../../src/machine/process.js';
import { bytesOf, Random } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';
import { commit, hubServer, repository, sha256 } from './hub-server.js';
import { safetensorsBytes } from './safetensors-bytes.js';

const patience = { attempts: 3, pause: 1, stall: 300 };
const encode = (text: string) => new TextEncoder().encode(text);

/** A model of 400 kB that does not repeat itself. */
const random = new Random(1);
const data = Uint8Array.from({ length: 400_000 }, () => random.integer(256));
const model = safetensorsBytes({ a: { dtype: 'U8', shape: [400_000], data_offsets: [0, 400_000] } }, data);
const files = {
  'config.json': encode('{"model_type":"tiny"}'),
  'tokenizer.json': encode('{}'),
  'model.safetensors': model,
  'pytorch_model.bin': encode('a pickle that nobody wants'),
  'additional_chat_templates/tool.jinja': encode('{{ x }}'),
};
const blobs = (cache: string) => join(cache, 'models--someone--tiny/blobs');

async function setUp(given: Readonly<Record<string, Uint8Array>> = files, listed?: string[]) {
  const hub = await hubServer(given, listed);
  const cache = temporaryFolder();
  return { hub, cache, options: { cache, endpoint: hub.endpoint, patience } };
}

describe('a model by its name', () => {
  test('is laid out as the Python library does: blobs by hash, relative links by commit, the commit by branch', async () => {
    const { cache, options } = await setUp();
    const folder = await resolveModel(repository, options);
    expect(folder).toBe(join(cache, `models--someone--tiny/snapshots/${commit}`));
    expect(readdirSync(folder).sort()).toEqual([
      'additional_chat_templates',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(model)}`);
    // printf '{}' | git hash-object --stdin
    expect(readlinkSync(join(folder, 'tokenizer.json'))).toBe('../../blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b');
    expect(readlinkSync(join(folder, 'additional_chat_templates/tool.jinja'))).toMatch(
      /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/,
    );
    expect(readFileSync(join(cache, 'models--someone--tiny/refs/main'), 'utf8')).toBe(commit);
    const opened = await openModelFolder(folder);
    expect(opened.config).toEqual({ model_type: 'tiny' });
    expect(sha256(bytesOf(await opened.checkpoint.read('a')))).toBe(sha256(data));
    await opened.checkpoint.close();
  });

  test('is not fetched again, and is found offline and without a network', async () => {
    const { hub, options } = await setUp();
    const folder = await resolveModel(repository, options);
    const before = hub.requests.length;
    expect(await resolveModel(repository, options)).toBe(folder);
    expect(hub.requests.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /api/models/${repository}/revision/main`,
    ]);
    const nobody = () => Promise.reject(new Error('getaddrinfo ENOTFOUND'));
    expect(await resolveModel(repository, { ...options, fetch: nobody })).toBe(folder);
    const forbidden = () => expect.unreachable('asked the network while offline');
    expect(await resolveModel(repository, { ...options, offline: true, fetch: forbidden })).toBe(folder);
    expect(await resolveModel(repository, { ...options, revision: commit, fetch: forbidden })).toBe(folder);
  });

  test('that is a path is that path', async () => {
    const { cache, options } = await setUp();
    expect(await resolveModel(cache, options)).toBe(cache);
  });

  test('may name one GGUF file of a repository', async () => {
    const { options } = await setUp({ 'sub/x.gguf': model, 'sub/y.gguf': model });
    await expect(resolveModel(repository, options)).rejects.toThrow(
      'Name one of its files, as in someone/tiny/sub/x.gguf',
    );
    const file = await resolveModel(`${repository}/sub/y.gguf`, options);
    expect(sha256(readFileSync(file))).toBe(sha256(model));
    expect(readdirSync(join(file, '..'))).toEqual(['y.gguf']);
  });

  test('may end like that of a file', () => {
    const repository = 'owner/Name-iMat.GGUF';
    expect(partsOfModelName(repository)).toEqual({ repository });
    expect(partsOfModelName(`${repository}/x.gguf`)).toEqual({ repository, inside: 'x.gguf' });
    expect(partsOfModelName('owner/name.gguf/x.gguf')).toEqual({ repository: 'owner/name.gguf', inside: 'x.gguf' });
    expect(partsOfModelName('folder/x.gguf')).toBeUndefined();
  });

  test('of a diffusers pipeline brings the weights of its components only', async () => {
    const pipeline = {
      'model_index.json': encode('{"_class_name":"P","unet":["diffusers","U"]}'),
      'unet/config.json': encode('{}'),
      'unet/diffusion_pytorch_model.safetensors': model,
      'unet/diffusion_pytorch_model.fp16.safetensors': model,
      'everything.safetensors': model,
    };
    const { hub, options } = await setUp(pipeline);
    const folder = await resolveModel(repository, options);
    expect(readdirSync(folder).sort()).toEqual(['model_index.json', 'unet']);
    expect(readdirSync(join(folder, 'unet')).sort()).toEqual(['config.json', 'diffusion_pytorch_model.safetensors']);
    expect(hub.requests.at(-1)?.path).toContain('model_index.json');
  });

  test('brings the shards with their index', async () => {
    const names = [
      'model.safetensors.index.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ];
    const { options } = await setUp(
      Object.fromEntries(names.map((name) => [name, name.endsWith('json') ? encode('{}') : model])),
    );
    expect(readdirSync(await resolveModel(repository, options)).sort()).toEqual([...names].sort());
  });
});

describe('a download', () => {
  test('that breaks off goes on where it stopped, within a call and in the next one', async () => {
    const { hub, cache, options } = await setUp();
    let cuts = 0;
    hub.tamper = (request, response, body) => {
      const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
      const total = {
        'content-length': body.length - from,
        'content-range': `bytes ${from}-${body.length - 1}/${body.length}`,
      };
      cuts++;
      if (cuts > 5) return false;
      response.writeHead(from > 0 ? 206 : 200, total);
      // Twice with progress, then thrice without any: the attempts count only those.
      response.write(body.subarray(from, from + (cuts <= 2 ? 100_000 : 0)), () =>
        setTimeout(() => response.destroy(), 400),
      );
      return true;
    };
    await expect(resolveModel(repository, options)).rejects.toMatchObject({ code: 'network' });
    const [partial] = readdirSync(blobs(cache)).filter((name) => name.endsWith('.incomplete'));
    expect(sha256(readFileSync(join(blobs(cache), partial as string)))).toBe(sha256(model.subarray(0, 200_000)));
    const folder = await resolveModel(repository, options);
    expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(sha256(model));
    expect(hub.requests.filter(({ host }) => host === 'storage').map(({ range }) => range)).toEqual([
      undefined,
      'bytes=100000-',
      'bytes=200000-',
      'bytes=200000-',
      'bytes=200000-',
      'bytes=200000-',
    ]);
  });

  test('starts again where the server does not know ranges, or refuses this one', async () => {
    for (const status of [200, 416]) {
      const { hub, cache, options } = await setUp();
      mkdirSync(blobs(cache), { recursive: true });
      writeFileSync(join(blobs(cache), `${sha256(model)}.incomplete`), model.subarray(0, 1000));
      hub.tamper = (request, response, body) => {
        if (status === 416 && request.headers.range !== undefined) response.writeHead(416).end('no such range');
        else response.writeHead(200, { 'content-length': body.length }).end(body);
        return true;
      };
      const folder = await resolveModel(repository, options);
      expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(sha256(model));
    }
  });

  test('with the wrong bytes is refused and thrown away', async () => {
    const { hub, cache, options } = await setUp();
    hub.tamper = (_, response, body) => {
      body[100] = (body[100] as number) ^ 1;
      response.writeHead(200, { 'content-length': body.length }).end(body);
      return true;
    };
    await expect(resolveModel(repository, options)).rejects.toMatchObject({ code: 'integrity' });
    expect(readdirSync(blobs(cache)).filter((name) => name.startsWith(sha256(model)))).toEqual([]);
    hub.tamper = () => false;
    await resolveModel(repository, options);
  });

  test('of a small file is checked too, by the hash that git gives it', async () => {
    const { options } = await setUp();
    const liar: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      const isConfig = String(url).endsWith('config.json') && init?.method === 'GET';
      return isConfig ? new Response('{"model_type":"evil"}', response) : response;
    };
    await expect(resolveModel(repository, { ...options, fetch: liar })).rejects.toMatchObject({ code: 'integrity' });
  });

  test('of more bytes than announced is stopped', async () => {
    const { hub, options } = await setUp();
    hub.tamper = (_, response, body) => {
      const endless = setInterval(() => response.write(body), 1);
      response.on('close', () => clearInterval(endless));
      return true;
    };
    await expect(resolveModel(repository, options)).rejects.toThrow('sends more than the');
  });

  test('that stalls is given up and tried again', async () => {
    const { hub, options } = await setUp();
    let calls = 0;
    hub.tamper = (_, response, body) => {
      if (++calls > 1) return false;
      response.writeHead(200, { 'content-length': body.length }).flushHeaders();
      return true;
    };
    await resolveModel(repository, options);
    expect(calls).toBe(2);
  });

  test('survives a server that is overloaded for a moment', async () => {
    const { hub, options } = await setUp();
    let calls = 0;
    hub.tamper = (_, response) => {
      if (++calls > 2) return false;
      response.writeHead(503).end('later');
      return true;
    };
    await resolveModel(repository, options);
    expect(calls).toBe(3);
  });

  test('reports its progress up to the last byte', async () => {
    const { options } = await setUp();
    const seen: number[] = [];
    const onProgress: HubOptions['onProgress'] = ({ file, received, total }) => {
      if (file === 'model.safetensors') seen.push(received, total);
    };
    await resolveModel(repository, { ...options, onProgress });
    expect(seen.slice(0, 2)).toEqual([0, model.byteLength]);
    expect(seen.slice(-2)).toEqual([model.byteLength, model.byteLength]);
  });

  test('can be cancelled', async () => {
    const { hub, options } = await setUp();
    const cancel = new AbortController();
    hub.tamper = (_, response, body) => {
      response.writeHead(200, { 'content-length': body.length }).write(body.subarray(0, 1000), () => cancel.abort());
      return true;
    };
    await expect(resolveModel(repository, { ...options, signal: cancel.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  test('asked for twice at once happens once', async () => {
    const { hub, cache, options } = await setUp();
    const both = await Promise.all([resolveModel(repository, options), resolveModel(repository, options)]);
    expect(both[0]).toBe(both[1]);
    expect(hub.requests.filter(({ host }) => host === 'storage')).toHaveLength(1);
    expect(readdirSync(join(cache, '.locks/models--someone--tiny'))).toEqual([]);
  });

  test('is held up by the lock of a process that may run, and not by that of one that is gone', async () => {
    const { cache, options } = await setUp();
    const locks = join(cache, '.locks/models--someone--tiny');
    mkdirSync(locks, { recursive: true });
    const gone = { ...ownProcess(), pid: 2 ** 30 }; // process numbers end far below
    const lockedBy = (holder: Process): void =>
      writeFileSync(join(locks, `${sha256(model)}.quintet`), `${wordOf(holder)} 3`);
    lockedBy({ ...gone, container: '12' });
    const signal = AbortSignal.timeout(300);
    await expect(resolveModel(repository, { ...options, signal })).rejects.toMatchObject({ code: 'aborted' });
    lockedBy(gone);
    await resolveModel(repository, options);
  });
});

describe('the token', () => {
  test('goes to the hub and never to the host that it redirects to', async () => {
    const { hub, options } = await setUp();
    await resolveModel(repository, { ...options, token: 'hf_secret' });
    const tokens = new Map(hub.requests.map(({ host, token }) => [host, token]));
    expect(tokens).toEqual(
      new Map([
        ['hub', 'Bearer hf_secret'],
        ['storage', undefined],
      ]),
    );
  });

  test('is that of the file that a login left, where none is given', async () => {
    const { hub, options } = await setUp();
    const tokenFile = join(temporaryFolder(), 'token');
    await resolveModel(repository, { ...options, tokenFile });
    expect(hub.requests.some(({ token }) => token !== undefined)).toBe(false);
    writeFileSync(tokenFile, 'hf_saved\n');
    for (const [given, sent] of [
      [{}, 'Bearer hf_saved'],
      [{ token: 'hf_given' }, 'Bearer hf_given'],
    ] as const) {
      const next = await setUp();
      await resolveModel(repository, { ...next.options, tokenFile, ...given });
      expect(next.hub.requests.find(({ host }) => host === 'hub')?.token).toBe(sent);
    }
  });

  test('is asked for where access is denied, and named where it is not enough', async () => {
    const { options } = await setUp();
    await expect(resolveModel('someone/gated', options)).rejects.toThrow(/access denied \(401\)\n.*set HF_TOKEN/);
    await expect(resolveModel('someone/gated', { ...options, token: 'x' })).rejects.toThrow(
      'The token is not accepted',
    );
  });
});

describe('what is refused:', () => {
  test('a model that does not exist', async () => {
    const { options } = await setUp();
    await expect(resolveModel('someone/nothing', options)).rejects.toMatchObject({ code: 'not-found' });
  });

  test.each(['../up', 'a/../b', './missing', '/missing', 'a/b/c', 'a--b/c', 'C:\\x', 'a/b\0', ''])(
    'the name %j',
    async (name) => {
      const { hub, options } = await setUp();
      await expect(resolveModel(name, options)).rejects.toMatchObject({ code: 'not-found' });
      expect(hub.requests).toEqual([]);
    },
  );

  test.each(['../../x/config.json', '..\\config.json', '/etc/config.json', 'C:/config.json', 'a/\u0001/config.json'])(
    'a repository with the file %j, before it is asked for',
    async (path) => {
      const { hub, options } = await setUp(files, [...Object.keys(files), path]);
      await expect(resolveModel(repository, { ...options, files: [path] })).rejects.toMatchObject({ code: 'format' });
      expect(hub.requests).toHaveLength(1);
    },
  );

  test('a revision that leaves the cache', async () => {
    const { options } = await setUp();
    await expect(resolveModel(repository, { ...options, revision: '../../x' })).rejects.toMatchObject({
      code: 'format',
    });
  });

  test('hashes that are no hashes', async () => {
    const { options } = await setUp();
    const odd: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      return init?.method === 'HEAD'
        ? new Response(null, { headers: { etag: '"../../x"', 'content-length': '3' } })
        : response;
    };
    await expect(resolveModel(repository, { ...options, fetch: odd })).rejects.toThrow('no hash and size');
  });

  test('a redirect from https to http, and redirects without end', async () => {
    const { options } = await setUp();
    const redirect = (location: string) => async () => new Response(null, { status: 302, headers: { location } });
    const secure = { ...options, endpoint: 'https://hub.example' };
    await expect(resolveModel(repository, { ...secure, fetch: redirect('http://hub.example/x') })).rejects.toThrow(
      'not secure',
    );
    await expect(resolveModel(repository, { ...secure, fetch: redirect('https://hub.example/x') })).rejects.toThrow(
      'more than 5',
    );
    await expect(resolveModel(repository, { ...secure, fetch: redirect('file:///etc/passwd') })).rejects.toThrow(
      'not secure',
    );
  });
});

describe('without a network', () => {
  test('the message says what failed and what to do', async () => {
    const { options } = await setUp();
    const closed = { ...options, endpoint: 'http://127.0.0.1:9' };
    await expect(resolveModel(repository, closed)).rejects.toMatchObject({ code: 'network' });
    await expect(resolveModel(repository, closed)).rejects.toThrow(
      /no answer from 127\.0\.0\.1:9[\s\S]*path of a local folder/,
    );
  });

  test('offline mode says that it is the reason', async () => {
    const { options } = await setUp();
    await expect(resolveModel(repository, { ...options, offline: true })).rejects.toThrow('HF_HUB_OFFLINE');
  });

  test('a download that was interrupted does not count as a model', async () => {
    const { cache, options } = await setUp();
    const folder = await resolveModel(repository, { ...options, files: ['config.json'] });
    expect(existsSync(join(folder, 'config.json'))).toBe(true);
    await expect(resolveModel(repository, { ...options, offline: true })).rejects.toMatchObject({ code: 'not-found' });
    // A link whose blob is gone is no file.
    symlinkSync(join(cache, 'gone'), join(folder, 'model.safetensors'));
    await expect(resolveModel(repository, { ...options, offline: true })).rejects.toMatchObject({ code: 'not-found' });
  });
});
