import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { FolderFiles } from '../../src/checkpoint/index.js';
import { asSystem, createProcessor, load } from '../../src/model/index.js';
import { engine, fixturePath } from '../fixture.js';

afterEach(() => {
  vi.useRealTimers();
});

test('a chat template is told the day, anew at each chat', async () => {
  const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine }));
  onTestFinished(() => model.close());
  const chatTemplates = new Map([['default', "{{ strftime_now('%d %b %Y') }}"]]);
  const { render } = createProcessor({ ...model, files: { ...model.files, chatTemplates } as FolderFiles });
  vi.useFakeTimers({ toFake: ['Date'] });
  for (const [month, day, text] of [
    [0, 31, '31 Jan 2026'],
    [1, 1, '01 Feb 2026'],
  ] as const) {
    vi.setSystemTime(new Date(2026, month, day, 23, 59));
    expect(render([{ role: 'user', content: 'What day is it?' }], { prompt: true })).toBe(text);
  }
});
