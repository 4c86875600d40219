import { expect, test } from 'vitest';
import { cutTo, microBatches, packed, packRows, padded, targetsOf } from '../../src/data/batches.js';
import { toNumbers } from '../../src/tensor/index.js';

const long = { ids: [5, 6, 7, 8, 9], labels: [-100, -100, 7, 8, 9] };
const short = { ids: [3, 4], labels: [3, 4] };

test('shorter samples are filled up at the right with what is neither looked at nor learnt', () => {
  const batch = padded([long, short], 2);
  for (const array of Object.values(batch)) expect([array.dtype, array.shape]).toEqual(['i64', [2, 5]]);
  expect(toNumbers(batch.input_ids)).toEqual([5, 6, 7, 8, 9, 3, 4, 2, 2, 2]);
  expect(toNumbers(batch.attention_mask)).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
  const ignored = [-100, -100, -100];
  expect(toNumbers(batch.labels)).toEqual([-100, -100, 7, 8, 9, 3, 4, ...ignored]);
});

test('the label of a first token is no target, because nothing comes before it', () => {
  expect([targetsOf(long), targetsOf(short)]).toEqual([3, 1]);
});

test('a sample that is cut keeps its beginning, and is refused when no answer is left', () => {
  expect(cutTo(long, 4, 'data.jsonl:3')).toEqual({
    ...{ ids: [5, 6, 7, 8], labels: [-100, -100, 7, 8] },
    cut: true,
  });
  expect(() => cutTo(long, 2, 'data.jsonl:3')).toThrow('data.jsonl:3: no answer to learn in its first 2 of 5 tokens');
  expect(() => cutTo({ ids: [1, 2], labels: [-100, -100] }, 9, 'x')).toThrow('no answer to learn in it');
});

test('micro-batches hold every sample of a step once, similar lengths together', () => {
  const samples = [5, 1, 4, 2, 3].map((length) => ({ ids: new Array<number>(length).fill(0), labels: [] }));
  expect(microBatches(samples, 2).map((batch) => batch.map(({ ids }) => ids.length))).toEqual([[1, 2], [3, 4], [5]]);
});

test('rows hold as many samples as their longest has room for', () => {
  const samples = [5, 1, 4, 2, 3, 9].map((length) => ({ ids: new Array<number>(length).fill(0), labels: [] }));
  expect(packRows(samples).map((row) => row.map(({ ids }) => ids.length))).toEqual([[9], [5, 4], [3, 2, 1]]);
});

test('samples of a row have numbers, places and labels of their own', () => {
  const batch = packed([[short, long], [short]], 2);
  expect(toNumbers(batch.input_ids)).toEqual([3, 4, 5, 6, 7, 8, 9, 3, 4, 2, 2, 2, 2, 2]);
  expect(toNumbers(batch.attention_mask)).toEqual([1, 1, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0]);
  expect(toNumbers(batch.position_ids)).toEqual([0, 1, 0, 1, 2, 3, 4, 0, 1, 0, 0, 0, 0, 0]);
  const ignored = [-100, -100, -100, -100, -100];
  expect(toNumbers(batch.labels)).toEqual([-100, 4, -100, -100, 7, 8, 9, -100, 4, ...ignored]);
});
