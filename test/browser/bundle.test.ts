/** What a bundler makes of quintet/browser: nothing of Node is in it. */
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { bundleExample } from '../../scripts/browser-example/server.js';

test('quintet/browser bundles for browsers without anything of Node', async () => {
  const { metafile, outputFiles, warnings } = await build({
    entryPoints: ['src/browser.ts'],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    minify: true,
    write: false,
    metafile: true,
    outdir: '.',
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  const packages = inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  expect([...new Set(packages)]).toEqual(['onnxruntime-web']);
  // What package.json keeps out is there as an empty file.
  expect(inputs.filter((path) => path.endsWith('/node.ts')).every((path) => path.startsWith('(disabled)'))).toBe(true);
  expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
  const text = outputFiles[0]?.text ?? '';
  expect(text).not.toMatch(/koffi|libvips|node:(?:fs|path|module|http|crypto|buffer)/);
  // All of it: a page that uses some gets less.
  expect(text.length).toBeLessThan(525_000);
});

test('the example is a small page beside a worker', async () => {
  const scripts = await bundleExample();
  const sizes = Object.fromEntries([...scripts].map(([path, bytes]) => [path, bytes.length]));
  expect(Object.keys(sizes).sort()).toEqual(['/page.js', '/worker.js']);
  expect(sizes['/page.js']).toBeLessThan(8_000);
});
