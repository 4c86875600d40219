import { expect, test } from 'vitest';
import { closeAll, closeOnFailure } from '../../src/tensor/index.js';

/** Things that note when they are closed; some cannot be. */
function opened(failing: readonly string[]) {
  const closed: string[] = [];
  const open = (name: string) => ({
    async close() {
      closed.push(name);
      if (failing.includes(name)) throw new Error(`${name} cannot be closed`);
    },
  });
  return { closed, all: ['a', 'b', 'c'].map(open) };
}

test('all are closed though some cannot be, and all failures are told', async () => {
  const { closed, all } = opened(['a', 'b']);
  await expect(closeAll(undefined, {}, ...all)).rejects.toThrow('a cannot be closed\nb cannot be closed');
  expect(closed).toEqual(['a', 'b', 'c']);
  await expect(closeAll(...opened(['b']).all)).rejects.toEqual(new Error('b cannot be closed'));
});

test('what fails over open things closes them, and is told before what fails in that', async () => {
  const { closed, all } = opened(['b']);
  const making = closeOnFailure(all, async () => {
    throw new Error('the cause');
  });
  await expect(making).rejects.toThrow('the cause');
  expect(closed).toEqual(['a', 'b', 'c']);
  expect(await closeOnFailure(all, async () => 3)).toBe(3);
  expect(closed).toHaveLength(3);
});

test('what is being made is closed once it is there, and nothing where it fails', async () => {
  const { closed, all } = opened([]);
  await closeAll(Promise.resolve(all[1] as { close(): Promise<void> }));
  await closeAll(Promise.reject(new Error('it could not be made')));
  await closeAll(undefined);
  expect(closed).toEqual(['b']);
});
