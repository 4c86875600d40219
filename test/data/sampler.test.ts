import { expect, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { orderOf } from '../../src/data/order.js';
import { sampler } from '../../src/data/sampler.js';
import { QuintetError, Random } from '../../src/tensor/index.js';

const positions = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

test('every epoch has every sample once, in another order, the same for the same seed', () => {
  const order = orderOf(101, 5);
  const epochs = [0, 1, 2].map((epoch) => positions(101 * epoch, 101 * (epoch + 1)).map(order));
  for (const epoch of epochs) expect(sorted(epoch)).toEqual(positions(0, 101));
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect(epochs[1]).not.toEqual(epochs[2]);
  // Asked from the middle, as a run that goes on does.
  const again = orderOf(101, 5);
  expect(positions(150, 250).map(again)).toEqual(epochs.flat().slice(150, 250));
  expect(positions(0, 101).map(orderOf(101, 6))).not.toEqual(epochs[0]);
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
    where: (index) => `data.jsonl:${index + 1}`,
    lengths: async () => Array<number>(count).fill(1),
    close: async () => {},
  };
}
const order = (count: number) => (position: number) => position % count;

test('in place of a bad sample stands the next good one, wherever a run begins, and each is told of once', async () => {
  const begin = () => {
    const told: string[] = [];
    const onBad = (error: QuintetError) => told.push(error.message);
    const prepare = async ({ id }: { id: string }) => id;
    return { told, ...sampler({ dataset: dataset(10, 1, 2), order: order(10), prepare, tolerance: 0.2, onBad }) };
  };
  const run = begin();
  expect(await run.take(0, 5)).toEqual(['0', '3', '3', '3', '4']);
  expect(await run.take(5, 10)).toEqual(['5', '6', '7', '8', '9', '0', '3', '3', '3', '4']);
  expect(run.told).toEqual(['data.jsonl:2: no messages', 'data.jsonl:3: no messages']);
  const resumed = begin();
  expect(await resumed.take(12, 3)).toEqual(['3', '3', '4']);
  expect(resumed.told).toEqual(['data.jsonl:3: no messages']);
});

test('more bad samples than are tolerated stop the run, and so do only bad ones', async () => {
  const options = { order: order(10), prepare: async ({ id }: { id: string }) => id };
  const strict = sampler({ ...options, dataset: dataset(10, 4) });
  await expect(strict.take(0, 5)).rejects.toThrow(
    /data\.jsonl: 1 of 10 samples cannot be used, more than 1 %.*jsonl:5: no.*\n.*`quintet data check`.*`badShare`/,
  );
  const none = sampler({ ...options, dataset: dataset(3, 0, 1, 2), order: order(3), tolerance: 1 });
  await expect(none.take(0, 1)).rejects.toThrow(
    /^data\.jsonl: none of 3 samples that were looked at can be used; one of them: data\.jsonl:3: no messages\n/,
  );
  const first = sampler({ ...options, dataset: dataset(100, ...positions(0, 20)), order: order(100) });
  await expect(first.take(0, 5)).rejects.toThrow('none of 16 samples that were looked at can be used');
  const one = sampler({ ...options, dataset: dataset(10, 0), order: order(10) });
  await expect(one.take(0, 5)).rejects.toThrow('1 of 10 samples cannot be used');
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
  expect(await broken.take(0, 1)).toEqual(['1']);
  expect(broken.bad).toBe(1);
  await expect(failing(new TypeError('x is undefined')).take(0, 1)).rejects.toThrow('x is undefined');
  await expect(failing(new QuintetError('shape', 'do not broadcast')).take(0, 1)).rejects.toThrow('do not broadcast');
});

test('samples are begun ahead, and whichever is done first, the same are taken and told of', async () => {
  const begin = (seed: number) => {
    const told: string[] = [];
    const begun: string[] = [];
    const random = new Random(seed);
    const run = sampler({
      ...{ dataset: dataset(40, 3, 4, 17, 18, 30), order: orderOf(40, 1), tolerance: 0.5, ahead: 8 },
      async prepare({ id }) {
        begun.push(id);
        for (let turns = random.integer(20); turns > 0; turns--) await null;
        if (Number(id) % 7 === 5) throw new QuintetError('media', `${id} is damaged`);
        return id;
      },
      onBad: (error) => told.push(error.message),
    });
    return { told, begun, run };
  };
  const outcomes = [1, 2, 3].map(async (seed) => {
    const { told, run } = begin(seed);
    // Two steps are asked for at once, as a run does that makes the next one ready.
    const steps = await Promise.all([run.take(0, 8), run.take(8, 8), run.take(16, 24)]);
    return { steps, told };
  });
  const [first, ...others] = await Promise.all(outcomes);
  expect(first?.told.length).toBeGreaterThan(5);
  for (const other of others) expect(other).toEqual(first);

  const { begun, run } = begin(4);
  await run.take(0, 8);
  const unread = ['3', '4', '17', '18', '30'];
  const wanted = positions(0, 16).map((at) => String(orderOf(40, 1)(at)));
  for (const id of wanted) if (!unread.includes(id)) expect(begun).toContain(id);
});

test('once too many are bad, whatever was asked for ends', async () => {
  const run = sampler({
    ...{ dataset: dataset(10, 0, 1, 2, 3), order: order(10), tolerance: 0.2, ahead: 4 },
    prepare: async ({ id }) => id,
  });
  const outcomes = await Promise.allSettled([run.take(0, 4), run.take(4, 4)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(run.take(5, 1)).rejects.toThrow('3 of 10 samples cannot be used, more than 20 %');
});

test('a check finds a sample that can be used, wherever it is, or says of one what is wrong with all', async () => {
  const told: string[] = [];
  const onBad = ({ message }: QuintetError) => told.push(message);
  const of = (count: number, ...bad: number[]) =>
    sampler({ dataset: dataset(count, ...bad), order: order(count), prepare: async ({ id }) => id, onBad });
  await of(100, ...positions(0, 90)).check();
  await of(1).check();
  await expect(of(100, ...positions(0, 100)).check()).rejects.toThrow(
    /^data\.jsonl: none of 16 samples that were looked at can be used; one of them: data\.jsonl:6: no messages\n/,
  );
  expect(told).toEqual([]);
});

test('a check looks at as many samples as it takes to know that more are bad than are tolerated', async () => {
  const lookedAt = async (tolerance: number, good: (index: number) => boolean): Promise<number> => {
    let count = 0;
    const prepare = async ({ id }: { id: string }) => {
      count++;
      if (!good(Number(id))) throw new QuintetError('media', 'is damaged');
    };
    await sampler({ dataset: dataset(1000), order: order(1000), prepare, tolerance }).check();
    return count;
  };
  for (let from = 0; from < 10; from++) expect(await lookedAt(0.9, (index) => index % 10 === from)).toBeLessThan(197);
  expect(await lookedAt(1, (index) => index === 617)).toBeGreaterThan(16);
  await expect(lookedAt(0.9, () => false)).rejects.toThrow('none of 197 samples');
  await expect(lookedAt(0, () => false)).rejects.toThrow('none of 16 samples');
});
