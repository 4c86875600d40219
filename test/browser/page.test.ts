/** The page of examples/browser in headless Chromium, against the native engine in Node; skipped where there is no Chromium. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat } from '../../src/model/index.js';
import { chromiumPath } from '../chromium.js';
import { fixturePath, withModel } from '../fixture.js';
import { type Opened, openBrowser } from './chromium.js';

/** What Node's native engine answers about a picture, greedily. */
async function nativeAnswer(name: string, picture: string, text: string): Promise<string> {
  let answer = '';
  await withModel(name, async (model) => {
    const chat = await Chat.open(asSystem(model));
    const pictures = [await loadPicture(picture)];
    const content = [{ type: 'image' } as const, { type: 'text', text } as const];
    answer = await chat.answer({ messages: [{ role: 'user', content }], pictures }, { maxTokens: 16 });
    await chat.close();
  });
  return answer;
}

describe.skipIf(chromiumPath === undefined)('the page', () => {
  let browser: Opened;

  beforeAll(async () => {
    browser = await openBrowser();
  }, 60_000);

  afterAll(() => browser?.close());

  /** A page whose model is open. */
  async function open(name: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${browser.server.url}?model=fixtures/${name}/model/&tokens=16`);
    await page.waitForSelector('body:not([data-state="opening"])');
    return page;
  }

  /** Asks, and gives the last answer when it is complete. */
  async function ask(page: Page, question: string): Promise<string> {
    await page.fill('#question', question);
    await page.click('#ask');
    await page.waitForSelector('body[data-state="idle"]');
    return (await page.locator('#log p').last().textContent()) ?? '';
  }

  test.each([
    ['llava', 'one.png', 'What do you see?'],
    ['llava', 'two.png', 'What do you see?'],
    ['blip2-opt', 'turned.jpg', 'What is it?'],
    ['smolvlm', 'grey.png', 'What is it?'],
  ])('answers about a picture as Node does: %s, %s', async (name, file, question) => {
    const picture = `${fixturePath(name)}/media/${file}`;
    const page = await open(name);
    await page.setInputFiles('#file', picture);
    expect(await ask(page, question)).toBe(await nativeAnswer(name, picture, question));
    await page.close();
  });

  test('runs in several threads where the machine has them', async () => {
    const page = await open('llava');
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    const threads = Math.min(4, (await page.evaluate('navigator.hardwareConcurrency')) as number);
    expect(await page.textContent('#status')).toContain(`${threads} thread`);
    await page.close();
  });

  test('an answer can be stopped, and a new conversation begins as the first', async () => {
    const picture = `${fixturePath('llava')}/media/one.png`;
    const page = await open('llava');
    await page.setInputFiles('#file', picture);
    await page.fill('#question', 'What do you see?');
    // Within one task of the page, so that the answer cannot end before.
    await page.evaluate("for (const id of ['ask', 'stop']) document.getElementById(id).click()");
    await page.waitForSelector('body[data-state="idle"]');
    expect(await page.locator('#log p').last().getAttribute('data-note')).toContain('stopped after');
    await page.click('#new');
    const answer = await ask(page, 'What do you see?');
    expect(answer).toBe(await nativeAnswer('llava', picture, 'What do you see?'));
    await page.close();
  });

  test('says what went wrong, and goes on', async () => {
    const page = await open('llava');
    await page.setInputFiles('#file', { name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    expect(await ask(page, 'What do you see?')).toMatch(/a\.png: /);
    expect(await page.getAttribute('body', 'data-state')).toBe('idle');
    const missing = await browser.newPage();
    await missing.goto(`${browser.server.url}?model=fixtures/nothing/`);
    await missing.waitForSelector('body[data-state="failed"]');
    expect(await missing.textContent('#log')).toContain('no config.json at this address');
    await page.close();
    await missing.close();
  });
});
