/** Headless Chromium, and the server of the example with the fixtures. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { type ExampleServer, serveExample } from '../../scripts/browser-example/server.js';
import { chromiumPath } from '../chromium.js';
import { fixturePath } from '../fixture.js';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];
const quiet = ['--disable-background-networking', '--disable-component-update'];

export interface Opened {
  readonly server: ExampleServer;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Opened> {
  const server = await serveExample({ folders: { '/fixtures/': fixturePath('.') } });
  const browser: Browser = await chromium.launch({
    executablePath: chromiumPath as string,
    args: [...flags, ...quiet],
  });
  return {
    server,
    async newPage() {
      const page = await browser.newPage();
      page.setDefaultTimeout(60_000);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
