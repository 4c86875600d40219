/** Pictures in a real browser are Node's pictures; skipped where there is no Chromium. */
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { chromiumPath } from '../chromium.js';
import { fixturePath } from '../fixture.js';
import { openBrowser } from './chromium.js';

async function inNode(path: string): Promise<number[]> {
  const { width, height, data } = await loadPicture(fixturePath(path));
  return [width, height, ...data];
}

test.skipIf(chromiumPath === undefined)(
  'a page reads files, bitmaps and addresses to the same pixels as Node, also without textures',
  async () => {
    const { outputFiles } = await build({
      entryPoints: ['test/browser/pictures.ts'],
      bundle: true,
      platform: 'browser',
      format: 'iife',
      globalName: 'pictures',
      write: false,
      // The engine asks for its own address, which a script in the page has not; no engine runs here.
      define: { 'import.meta.url': '""' },
    });
    const browser = await openBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`${browser.server.url}style.css`);
      await page.addScriptTag({ content: outputFiles[0]?.text ?? '' });
      const run = (call: string): Promise<unknown> => page.evaluate(`pictures.${call}`);
      const opaque = await inNode('llava/media/one.png');
      expect(await run("everyWay('fixtures/llava/media/one.png')")).toEqual({
        url: opaque,
        blob: opaque,
        bytes: opaque,
        bitmap: opaque,
      });
      expect(await run("withoutTextures('fixtures/llava/media/one.png')")).toEqual(opaque);
      const transparent = await inNode('llava/media/two.png');
      expect(await run("everyWay('fixtures/llava/media/two.png')")).toMatchObject({
        url: transparent,
        blob: transparent,
      });
      // A canvas cannot give back the colours of what is transparent.
      expect(await run("withoutTextures('fixtures/llava/media/two.png')")).toBe('unsupported');
    } finally {
      await browser.close();
    }
  },
);
