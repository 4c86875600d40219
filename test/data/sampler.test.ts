import { expect, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { orderOf } from '../../src/data/order.js';
import { sampler } from '../../src/data/sampler.js';
import { QuintetError } from '../../src/tensor/index.js';

const positions = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

test('every epoch has every sample once, in another order, the same for the same seed', () => {
  const order = orderOf(101, { seed: 5 });
  const epochs = [0, 1, 2].map((epoch) => positions(101 * epoch, 101 * (epoch + 1)).map(order));
  for (const epoch of epochs) expect(sorted(epoch)).toEqual(positions(0, 101));
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect(epochs[1]).not.toEqual(epochs[2]);
  // Asked from the middle, as a run that goes on does.
  const again = orderOf(101, { seed: 5 });
  expect(positions(150, 250).map(again)).toEqual(epochs.flat().slice(150, 250));
  expect(positions(0, 101).map(orderOf(101, { seed: 6 }))).not.toEqual(epochs[0]);
});

test('without shuffling samples come as the file has them', () => {
  expect(positions(0, 7).map(orderOf(3, { seed: 0, shuffle: false }))).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test('grouping by length keeps every sample and needs less than a third of the padding', () => {
  const lengths = Array.from({ length: 203 }, (_, i) => 1 + ((i * 7919) % 500));
  const padding = (indices: readonly number[]) => {
    let sum = 0;
    for (let start = 0; start + 8 <= indices.length; start += 8) {
      const batch = indices.slice(start, start + 8).map((i) => lengths[i] as number);
      for (const length of batch) sum += Math.max(...batch) - length;
    }
    return sum;
  };
  const epoch = (order: (position: number) => number) => positions(0, 203).map(order);
  const grouped = epoch(orderOf(203, { seed: 1, byLength: { lengths, batch: 8, window: 10 } }));
  expect(sorted(grouped)).toEqual(positions(0, 203));
  expect(3 * padding(grouped)).toBeLessThan(padding(epoch(orderOf(203, { seed: 1 }))));
});

/** Samples whose id is their index; the given ones are not well formed. */
function dataset(count: number, ...bad: number[]): Dataset {
  return {
    path: 'data.jsonl',
    count,
    async read(index) {
      if (bad.includes(index)) throw new QuintetError('data', 'no messages', { at: `data.jsonl:${index + 1}` });
      return { id: String(index), messages: [], pictures: [], where: `data.jsonl:${index + 1}` };
    },
    close: async () => {},
  };
}
const order = (count: number) => orderOf(count, { seed: 0, shuffle: false });

test('bad samples are skipped and told of once, and the position leads past them', async () => {
  const told: string[] = [];
  const samples = sampler({
    dataset: dataset(10, 1, 2),
    order: order(10),
    prepare: async ({ id }) => id,
    tolerance: 0.2,
    onBad: (error) => told.push(error.message),
  });
  const first = await samples.take(3, 0);
  expect(first).toEqual({ samples: ['0', '3', '4'], position: 5 });
  expect(await samples.take(7, first.position)).toEqual({ samples: ['5', '6', '7', '8', '9', '0', '3'], position: 14 });
  expect(told).toEqual(['data.jsonl:2: no messages', 'data.jsonl:3: no messages']);
  expect(samples.skipped).toBe(2);
});

test('more bad samples than are tolerated stop the run, and so do only bad ones', async () => {
  const options = { order: order(10), prepare: async ({ id }: { id: string }) => id };
  const strict = sampler({ ...options, dataset: dataset(10, 4) });
  await expect(strict.take(5, 0)).rejects.toThrow(
    /data\.jsonl: 1 of 10 samples cannot be used, more than 1 %.*jsonl:5: no/,
  );
  const none = sampler({ ...options, dataset: dataset(3, 0, 1, 2), order: order(3), tolerance: 1 });
  await expect(none.take(1, 0)).rejects.toThrow('3 of 3 samples cannot be used');
});

test('a picture that cannot be decoded is blamed on the sample, an error of the program is not', async () => {
  const failing = (error: Error) =>
    sampler({
      dataset: dataset(10),
      order: order(10),
      tolerance: 0.5,
      prepare: async ({ id }) => {
        if (id === '0') throw error;
        return id;
      },
    });
  const broken = failing(new QuintetError('media', 'not a picture'));
  expect((await broken.take(1, 0)).samples).toEqual(['1']);
  expect(broken.skipped).toBe(1);
  await expect(failing(new TypeError('x is undefined')).take(1, 0)).rejects.toThrow('x is undefined');
  await expect(failing(new QuintetError('shape', 'do not broadcast')).take(1, 0)).rejects.toThrow('do not broadcast');
});
