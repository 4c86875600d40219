import { expect, test } from 'vitest';
import { atOnce, type InParts, inTurns, portions } from '../../src/tensor/index.js';

function* counting(to: number, seen: number[]): InParts<number> {
  for (let i = 0; i < to; i++) {
    seen.push(i);
    yield;
  }
  return to;
}

test('work in parts gives its result at once or with turns of others between', async () => {
  const [own, others]: [number[], number[]] = [[], []];
  expect(atOnce(counting(3, own))).toBe(3);
  const work = inTurns(counting(3, own));
  setImmediate(() => others.push(own.length));
  expect(await work).toBe(3);
  // Others had their turn before the second three were done.
  expect(others[0]).toBeLessThan(own.length);
  expect(own).toEqual([0, 1, 2, 0, 1, 2]);
});

test('work that nobody wants any more ends behind the part that it is at', async () => {
  const controller = new AbortController();
  const seen: number[] = [];
  const work = inTurns(counting(1000, seen), controller.signal);
  setImmediate(() => controller.abort('enough'));
  await expect(work).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
  expect(seen.length).toBeLessThan(5);
});

test('portions say when so much was done since they said it last', () => {
  const isPartDone = portions(10);
  expect([4, 5, 1, 9, 1, 30].map(isPartDone)).toEqual([false, false, true, false, true, true]);
});
