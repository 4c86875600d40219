import { expect, test } from 'vitest';
import { Opened } from '../../src/model/opened.js';

test('what is asked for twice at once is opened once, what failed is opened anew, and each is closed once', async () => {
  const log: string[] = [];
  const opened = new Opened<string, string>(async (value) => void log.push(`close ${value}`));
  const open = (key: string) =>
    opened.get(key, async () => {
      log.push(`open ${key}`);
      if (log.length === 2) throw new Error('not yet');
      return key;
    });
  expect(await Promise.all([open('a'), open('a')])).toEqual(['a', 'a']);
  await expect(open('b')).rejects.toThrow('not yet');
  await open('b');
  await open('a');
  await opened.close();
  await opened.close();
  expect(log).toEqual(['open a', 'open b', 'open b', 'close a', 'close b']);
});
