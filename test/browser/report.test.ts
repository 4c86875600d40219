/** The report of a run in Chromium: without a network, on wide and on small screens. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { report } from '../../src/train/report/index.js';
import { runFile } from '../../src/train/run.js';
import { chromiumPath } from '../chromium.js';
import { engine } from '../fixture.js';
import { runFolder, stage } from '../train/runs.js';

let browser: Browser;
beforeAll(async () => {
  if (chromiumPath)
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-gpu'] });
});
afterAll(() => browser?.close());

async function pageOf(width: number): Promise<{ readonly page: Page; readonly asked: string[] }> {
  const { file, folder } = runFolder({
    ...{
      evaluate: { data: 'chats.jsonl', every: 3 },
      samples: [{ pictures: ['one.png'], prompt: 'Who?', maxTokens: 3 }],
    },
    stages: [stage({ name: 'align', steps: 9 })],
  });
  await runFile(file, { engine, clock: () => 0 });
  const path = join(folder, 'report.html');
  writeFileSync(path, await report([join(folder, 'out')]));
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`file://${path}`);
  return { page, asked };
}

const overflows = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);

test.runIf(chromiumPath)(
  'asks for nothing, shows the picture, and the scale and smoothing that are chosen',
  async () => {
    const { page, asked } = await pageOf(1200);
    expect(asked.filter((address) => !/^(file|data):/.test(address))).toEqual([]);
    const picture = page.locator('.thumbs img').first();
    expect(await picture.evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(0);

    const [linear, log] = ['linear', 'log'].map((name) => page.locator(`.chart.wide .plot.${name}`));
    const shown = async () => [await linear?.isVisible(), await log?.isVisible()];
    expect(await shown()).toEqual([true, false]);
    await page.getByText('log', { exact: true }).click();
    expect(await shown()).toEqual([false, true]);

    const lines = page.locator('.chart.wide .plot.log path:visible');
    const classes = () => lines.evaluateAll((all) => all.map((own) => own.getAttribute('class')));
    expect(await classes()).toContain('w60');
    await page.getByText('0.9', { exact: true }).click();
    expect(await classes()).toContain('w90');
    expect(await classes()).not.toContain('w60');

    const area = page.locator('.chart.wide .area');
    await area.hover();
    expect(await area.locator('.tip:visible').textContent()).toMatch(/^step \d+training \d+\.\d{4}/);
    await page.close();
  },
);

test.runIf(chromiumPath).each([1200, 360])('fits a screen of %d pixels', async (width) => {
  const { page } = await pageOf(width);
  expect(await overflows(page)).toBe(false);
  await page.close();
});
