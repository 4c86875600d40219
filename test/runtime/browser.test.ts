/** The web engine in a real browser: skipped where there is no Chromium. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { expect, test } from 'vitest';
import { chromiumPath } from '../chromium.js';

test.skipIf(chromiumPath === undefined)('a page runs a graph with the web engine', async () => {
  const { outputFiles } = await build({
    entryPoints: ['test/runtime/page.ts'],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
  });
  const wasm = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
  const files: Record<string, readonly [type: string, body: string | Buffer]> = {
    '/': ['text/html', '<!doctype html><title>Quintet</title>'],
    '/page.js': ['text/javascript', outputFiles[0]?.text ?? ''],
    '/ort.wasm': ['application/wasm', readFileSync(wasm)],
  };
  const server = createServer(({ url = '/' }, response) => {
    const [type, body] = files[url] ?? ['text/plain', ''];
    response.writeHead(files[url] ? 200 : 404, { 'content-type': type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const result = await page.evaluate("import('/page.js').then(({ lookup }) => lookup())");
    expect(result).toEqual({ engine: 'web', rows: [3, 3, 1, 1] });
  } finally {
    await browser.close();
    server.close();
  }
});
