import { expect, test } from 'vitest';
import { mixDatasets } from '../../src/data/mixture.js';
import { datasetOrder } from '../../src/data/order.js';
import { Random } from '../../src/tensor/index.js';

const positions = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

test('stretches that are read as one are seen a few at a time, each sample once in an epoch', () => {
  const starts = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90];
  const order = datasetOrder({ count: 97, blocks: { starts, held: 4 } }, { seed: 3 });
  const epochs = [0, 1].map((epoch) => positions(97 * epoch, 97 * (epoch + 1)).map(order));
  for (const epoch of epochs) {
    expect(sorted(epoch)).toEqual(positions(0, 97));
    // Half of what is held in memory, two stretches, is in use at once.
    const stretches = epoch.map((index) => Math.floor(index / 10));
    for (let at = 0; at < 97; ) {
      const used = new Set([stretches[at] as number]);
      let end = at;
      while (end < 97 && (used.has(stretches[end] as number) || used.size < 2)) used.add(stretches[end++] as number);
      expect(used.size).toBeLessThanOrEqual(2);
      for (const stretch of used) expect(stretches.slice(end)).not.toContain(stretch);
      at = end;
    }
    // Within two stretches the samples are mixed, not one stretch after the other.
    expect(sorted(epoch.slice(0, 20))).not.toEqual(epoch.slice(0, 20));
    expect(new Set(stretches.slice(0, 10)).size).toBe(2);
  }
  expect(epochs[0]).not.toEqual(epochs[1]);
  const again = datasetOrder({ count: 97, blocks: { starts, held: 4 } }, { seed: 3 });
  expect(positions(60, 160).map(again)).toEqual(epochs.flat().slice(60, 160));
});

/** Samples that are called `name` and their index. */
function named(name: string, count: number) {
  return {
    path: name,
    count,
    read: async (index: number) => ({ id: `${name}${index}`, messages: [], pictures: [], where: name }),
    where: (index: number) => `${name}${index}`,
    lengths: async () => positions(0, count).map((i) => name.length * 1000 + i),
    close: async () => {},
  };
}

async function drawn(weights: readonly (number | undefined)[], epochs: number): Promise<string[]> {
  const parts = [named('a', 30), named('b', 60), named('c', 10)];
  const mixture = mixDatasets(
    parts.map((dataset, i) => ({ dataset, ...(weights[i] === undefined ? {} : { weight: weights[i] }) })),
  );
  const order = datasetOrder(mixture, { seed: 5 });
  return Promise.all(positions(0, epochs * mixture.count).map(async (at) => (await mixture.read(order(at))).id));
}

test('a mixture without weights has every sample once in an epoch', async () => {
  const ids = await drawn([], 2);
  for (const epoch of [ids.slice(0, 100), ids.slice(100)]) {
    expect(new Set(epoch).size).toBe(100);
    // Not one file after the other.
    expect(new Set(epoch.slice(0, 20).map((id) => id[0])).size).toBe(3);
  }
  expect(ids.slice(0, 100)).not.toEqual(ids.slice(100));
});

test('each part of a mixture gives its share of the samples, and its own are seen evenly', async () => {
  const ids = await drawn([1, 1, 2], 3);
  const counts = (ids: readonly string[]) => ['a', 'b', 'c'].map((name) => ids.filter((id) => id[0] === name).length);
  for (const epoch of [0, 1, 2]) expect(counts(ids.slice(100 * epoch, 100 * (epoch + 1)))).toEqual([25, 25, 50]);
  const seen = new Map<string, number>();
  for (const id of ids) seen.set(id, (seen.get(id) ?? 0) + 1);
  // 75 of 30 samples, 75 of 60 and 150 of 10.
  const spread = (name: string) => sorted([...seen].filter(([id]) => id[0] === name).map(([, times]) => times));
  expect(new Set(spread('a'))).toEqual(new Set([2, 3]));
  expect(new Set(spread('b'))).toEqual(new Set([1, 2]));
  expect(new Set(spread('c'))).toEqual(new Set([15]));
});

test('shares are whole numbers that add up, whatever the weights', () => {
  const parts = [1, 1, 1, 0.1, 7.3].map((weight, i) => ({ count: 3 + i, weight }));
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const order = datasetOrder({ count, parts }, { seed: 1 });
  for (const index of positions(0, 10 * count).map(order)) expect(index).toBeLessThan(count);
});

test('a batch has samples of like length, each once in an epoch, also where epochs are no whole number of batches', () => {
  const random = new Random(2);
  const count = 1003;
  const batch = 8;
  const lengths = positions(0, count).map(() => random.integer(1000));
  const order = datasetOrder({ count }, { seed: 9, grouping: { lengths, batch } });
  const plain = datasetOrder({ count }, { seed: 9 });
  for (const epoch of [0, 1, 2]) {
    expect(sorted(positions(count * epoch, count * (epoch + 1)).map(order))).toEqual(positions(0, count));
  }
  /** How much of the batches of three epochs would be padding. */
  const waste = (of: typeof order) => {
    let [kept, all] = [0, 0];
    for (let step = 0; step < Math.floor((3 * count) / batch); step++) {
      const own = positions(step * batch, (step + 1) * batch).map((at) => lengths[of(at)] as number);
      kept += own.reduce((sum, length) => sum + length, 0);
      all += batch * Math.max(...own);
    }
    return 1 - kept / all;
  };
  expect(waste(plain)).toBeGreaterThan(0.4);
  expect(waste(order)).toBeLessThan(0.06);
  // Long and short batches take turns.
  const means = positions(0, 50).map((step) => lengths[order(step * batch)] as number);
  expect(means).not.toEqual(sorted(means));
});
