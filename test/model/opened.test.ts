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

test('where one cannot be closed the others are, and why is told', async () => {
  const closed: string[] = [];
  const opened = new Opened<string, string>(async (value) => {
    if (value === 'a') throw new Error('stuck');
    closed.push(value);
  });
  for (const key of ['a', 'b']) await opened.get(key, async () => key);
  await expect(opened.close()).rejects.toThrow('stuck');
  expect(closed).toEqual(['b']);
});

test('what fails after it was closed leaves what was opened anew', async () => {
  const opened = new Opened<string, string>(async () => {});
  let fail = (_: Error): void => expect.unreachable();
  const first = opened.get(
    'a',
    () =>
      new Promise((_, reject) => {
        fail = reject;
      }),
  );
  const closing = opened.close();
  fail(new Error('too late'));
  const again = opened.get('a', async () => 'anew');
  await expect(first).rejects.toThrow('too late');
  await closing;
  expect(opened.get('a', () => expect.unreachable('opened twice'))).toBe(again);
});
