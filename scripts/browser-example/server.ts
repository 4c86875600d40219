/** A small server for examples/browser: the page, bundled, and folders of models beside it. */

import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface ServerOptions {
  /** Default any that is free. */
  readonly port?: number;
  /** Folders whose files are given out, by where their addresses begin: `/model/`. */
  readonly folders: Readonly<Record<string, string>>;
}

export interface ExampleServer {
  readonly url: string;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const example = join(root, 'examples/browser');

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Threads in WebAssembly need memory that is shared, which browsers give only to pages that are isolated in this way. */
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** The scripts of the page, bundled, by address. */
export async function bundleExample(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: ['page', 'worker'].map((name) => join(example, `${name}.ts`)),
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    outdir: example,
    write: false,
  });
  return new Map(outputFiles.map(({ path, contents }) => [`/${path.slice(example.length + 1)}`, contents]));
}

/** Serves the example on this machine only. */
export async function serveExample({ port = 0, folders }: ServerOptions): Promise<ExampleServer> {
  const made = await bundleExample();
  made.set('/samples.json', new TextEncoder().encode(JSON.stringify(await samplesIn(folders))));
  const { resolve: ofPackage } = createRequire(import.meta.url);
  const files = new Map([
    ['/', join(example, 'index.html')],
    ['/style.css', join(example, 'style.css')],
    ['/ort.wasm', ofPackage('onnxruntime-web/ort-wasm-simd-threaded.wasm')],
    ['/ort.mjs', ofPackage('onnxruntime-web/ort-wasm-simd-threaded.mjs')],
  ]);
  const server = createServer((request, response) => {
    const path = pathOf(request.url ?? '/');
    const bytes = made.get(path);
    if (bytes) return void head(response, extname(path), bytes.byteLength).end(bytes);
    const file = files.get(path) ?? fileWithin(folders, path);
    sendFile(response, file).catch(() => response.destroy());
  });
  await new Promise<void>((listening, failed) => server.once('error', failed).listen(port, '127.0.0.1', listening));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

/** Addresses of the pictures in the folders' own folders `samples`. */
async function samplesIn(folders: ServerOptions['folders']): Promise<string[]> {
  const found = Object.entries(folders).map(async ([prefix, folder]) => {
    const names = await readdir(join(folder, 'samples')).catch(() => []);
    return names.filter((name) => /\.(png|jpg|webp)$/.test(name)).map((name) => `${prefix.slice(1)}samples/${name}`);
  });
  return (await Promise.all(found)).flat();
}

/** The path of a request without its escapes; empty where it is none. */
function pathOf(url: string): string {
  try {
    return decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return '';
  }
}

/** The file that an address means; none where it leaves its folder. */
function fileWithin(folders: ServerOptions['folders'], path: string): string | undefined {
  for (const [prefix, folder] of Object.entries(folders)) {
    if (!path.startsWith(prefix)) continue;
    const file = resolve(folder, path.slice(prefix.length));
    if (file.startsWith(resolve(folder) + sep)) return file;
  }
  return undefined;
}

async function sendFile(response: ServerResponse, file: string | undefined): Promise<void> {
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !found?.isFile()) return void response.writeHead(404, isolation).end();
  head(response, extname(file), found.size);
  createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response);
}

function head(response: ServerResponse, extension: string, length: number): ServerResponse {
  const type = types[extension] ?? 'application/octet-stream';
  return response.writeHead(200, {
    ...isolation,
    'content-type': type,
    'content-length': length,
    'cache-control': 'no-cache',
  });
}
