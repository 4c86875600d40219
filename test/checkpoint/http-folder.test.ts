/** Model folders over HTTP and in memory, without a network: a table of addresses answers. */
import { expect, test } from 'vitest';
import { type DownloadProgress, downloadFolder, openMemoryFolder } from '../../src/checkpoint/bytes.js';
import { safetensorsBytes } from './safetensors-bytes.js';

const weights = (name: string): Uint8Array =>
  safetensorsBytes({ [name]: { dtype: 'U8', shape: [4], data_offsets: [0, 4] } }, new Uint8Array([1, 2, 3, 4]));

const shards = { a: 'model-1-of-2.safetensors', b: 'model-2-of-2.safetensors' };

type Content = string | Uint8Array | object;

const bodyOf = (content: Content): BodyInit =>
  content instanceof Uint8Array
    ? (content as Uint8Array<ArrayBuffer>)
    : typeof content === 'string'
      ? content
      : JSON.stringify(content);

/** A server that has some files below `https://host/model/`, and what it was asked for. */
function server(files: Readonly<Record<string, Content>>, missing = () => new Response('', { status: 404 })) {
  const asked: string[] = [];
  const answer = async (input: string | URL | Request): Promise<Response> => {
    const { href } = new URL(String(input));
    asked.push(href);
    const content = files[href.replace('https://host/model/', '')];
    if (content === undefined) return missing();
    const body = bodyOf(content);
    const length = typeof body === 'string' ? new TextEncoder().encode(body).length : (body as Uint8Array).length;
    return new Response(body, { headers: { 'content-length': String(length) } });
  };
  return { asked, fetch: answer as typeof fetch };
}

const whole = { 'config.json': { model_type: 'llama' }, 'model.safetensors': weights('a') };

test('a folder comes with the files it has, and opens as on disk', async () => {
  const { fetch } = server({ ...whole, 'chat_template.jinja': 'hello' });
  const files = await downloadFolder('https://host/model', { fetch });
  expect([...files.keys()].sort()).toEqual(['chat_template.jinja', 'config.json', 'model.safetensors']);
  const model = await openMemoryFolder(files, 'https://host/model');
  expect(model.config).toEqual({ model_type: 'llama' });
  expect(model.chatTemplates).toEqual(new Map([['default', 'hello']]));
  expect((await model.checkpoint.read('a')).data).toEqual(new Uint8Array([1, 2, 3, 4]));
});

test('shards come where there is no single file, each address with what the folder had behind its question mark', async () => {
  const { fetch, asked } = server({
    'config.json?v=1': {},
    'model.safetensors.index.json?v=1': { weight_map: shards },
    [`${shards.a}?v=1`]: weights('a'),
    [`${shards.b}?v=1`]: weights('b'),
  });
  const model = await openMemoryFolder(await downloadFolder('https://host/model/?v=1', { fetch }), 'model');
  expect([...model.checkpoint.tensors.keys()]).toEqual(['a', 'b']);
  expect(asked.every((address) => address.endsWith('?v=1'))).toBe(true);
});

test('progress counts the bytes of each file up to its size', async () => {
  const seen = new Map<string, DownloadProgress>();
  await downloadFolder('https://host/model/', { ...server(whole), onProgress: (now) => seen.set(now.file, now) });
  const size = weights('a').length;
  expect(seen.get('model.safetensors')).toEqual({ file: 'model.safetensors', received: size, total: size });
});

test('a page in place of a missing file is no file', async () => {
  const page = () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } });
  const files = await downloadFolder('https://host/model/', server(whole, page));
  expect([...files.keys()].sort()).toEqual(['config.json', 'model.safetensors']);
});

test.each([
  ['no config.json at this address', 'not-found', { 'model.safetensors': weights('a') }, {}],
  ['neither model.safetensors nor', 'not-found', { 'config.json': {} }, {}],
  [
    'the server has no such file',
    'not-found',
    { 'config.json': {}, 'model.safetensors.index.json': { weight_map: shards } },
    {},
  ],
  [
    'is no shard',
    'format',
    { 'config.json': {}, 'model.safetensors.index.json': { weight_map: { a: '../a.safetensors' } } },
    {},
  ],
  ['at most 20 are read', 'limit', whole, { weightBytes: 20 }],
  ['at most 16777216 are read', 'limit', { ...whole, 'config.json': ' '.repeat(2 ** 24 + 1) }, {}],
] as const)('a download is refused: %s', async (message, code, files, options) => {
  const downloading = downloadFolder('https://host/model/', { ...server(files), ...options });
  await expect(downloading).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test('shards together are held to the limit', async () => {
  const files = {
    'config.json': {},
    'model.safetensors.index.json': { weight_map: shards },
    [shards.a]: weights('a'),
    [shards.b]: weights('b'),
  };
  const weightBytes = weights('a').length + weights('b').length - 1;
  await expect(downloadFolder('https://host/model/', { ...server(files), weightBytes })).rejects.toMatchObject({
    code: 'limit',
  });
});

test('a body that is longer than announced is held to the limit', async () => {
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(2 ** 20)) }), {
      headers: { 'content-length': '10' },
    });
  await expect(downloadFolder('https://host/model/', { ...server({}, endless) })).rejects.toMatchObject({
    code: 'limit',
  });
});

test('no answer and a cancelled download are told apart', async () => {
  const fetch = async (_: unknown, { signal }: RequestInit = {}): Promise<Response> => {
    signal?.throwIfAborted();
    throw new TypeError('Failed to fetch');
  };
  await expect(downloadFolder('https://host/model/', { fetch })).rejects.toMatchObject({ code: 'network' });
  const signal = AbortSignal.abort();
  await expect(downloadFolder('https://host/model/', { fetch, signal })).rejects.toMatchObject({ code: 'aborted' });
});

test.each([
  ['no config.json in this folder', { 'model.safetensors': weights('a') }],
  ['no weights in this folder', { 'config.json': new TextEncoder().encode('{}') }],
  ['not UTF-8', { 'config.json': new Uint8Array([0xff]), 'model.safetensors': weights('a') }],
])('files in memory are refused: %s', async (message, files) => {
  await expect(openMemoryFolder(new Map(Object.entries(files)), 'model')).rejects.toThrow(message);
});
