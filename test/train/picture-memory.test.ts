/** Pictures whose features are kept are not decoded again, for as long as they are the same pictures. */
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, load } from '../../src/model/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { createPictureMemory, keptRows, keptStates, pictureKeys } from '../../src/train/picture-memory.js';
import { sampleBatches } from '../../src/train/samples.js';
import { engine } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { chats, runFolder, stage } from './runs.js';

const pixels: HostArray = { dtype: 'f32', shape: [2, 1], data: Float32Array.of(1, 2) };
const sight = {
  pictures: { pixel_values: pixels },
  tensors: { pixel_values: pixels },
  layouts: [{ width: 1, height: 1 }],
};

/** A store of one number for each row of `pixels`, from which rows can be taken away. */
function storeOf() {
  const rows = new Map(pictureKeys(sight.pictures).map((key, i) => [key.toString('hex'), Float32Array.of(10 + i)]));
  return { rows, read: async (key: Buffer) => rows.get(key.toString('hex')) };
}

test('a picture is decoded again where its file has changed or one of its rows is not kept, and when the stage is over', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'a.png');
  writeFileSync(file, 'one');
  const memory = createPictureMemory();
  const see = vi.fn(async () => sight);
  const store = storeOf();
  const look = () => memory.look([file, Uint8Array.of(1)], see);
  memory.use({ store: { read: async () => undefined }, shape: [1] });

  expect(await look()).toBe(sight);
  expect(await look()).toBe(sight);
  memory.use({ store, shape: [1] });
  const kept = { dtype: 'f32', shape: [2, 1], data: Float32Array.of(10, 11) };
  expect(await look()).toEqual({ pictures: { [keptStates]: kept }, tensors: {}, layouts: sight.layouts });
  expect(see).toHaveBeenCalledTimes(2);

  const [key, row] = [...store.rows][0] as [string, Float32Array<ArrayBuffer>];
  store.rows.delete(key);
  expect(await look()).toBe(sight);
  store.rows.set(key, row);
  expect(await memory.look([file, Uint8Array.of(2)], see)).toBe(sight);
  writeFileSync(file, 'two');
  utimesSync(file, 1, 1);
  expect(await look()).toBe(sight);
  expect(see).toHaveBeenCalledTimes(5);

  memory.use(undefined);
  expect(await look()).toBe(sight);
});

test('a file that is gone is told of by whoever reads it', async () => {
  const memory = createPictureMemory();
  memory.use({ store: storeOf(), shape: [1] });
  const missing = () => Promise.reject(new Error('no such picture'));
  await expect(memory.look([join(temporaryFolder(), 'none.png')], missing)).rejects.toThrow('no such picture');
});

test('batches have features for the pictures whose features are kept, and pixels for the others', async () => {
  const { folder } = runFolder({ stages: [stage({ name: 'own' })] });
  const model = asSystem(await load(join(folder, 'base'), { engine }));
  const dataset = await openDataset(join(folder, 'chats.jsonl'));
  const memory = createPictureMemory();
  const source = sampleBatches(model, dataset, { batch: chats.length, memory });
  onTestFinished(async () => {
    await source.close?.();
    await dataset.close();
    await model.close();
  });
  memory.use({ store: { read: async () => undefined }, shape: [2] });
  const [whole] = await source.take(0, undefined as never);
  const { pixel_values: own, ...others } = whole as Record<string, HostArray>;
  expect(others).not.toHaveProperty(keptRows);
  const keys = pictureKeys({ own: own as HostArray }).map((key) => key.toString('hex'));
  const row = Float32Array.of(7, 8);
  // The first picture, wherever it comes again.
  memory.use({ store: { read: async (key) => (key.toString('hex') === keys[0] ? row : undefined) }, shape: [2] });
  // What was begun before is pixels still.
  for (let step = 1; step < 3; step++) await source.take(step, undefined as never);
  const [later] = (await source.take(3, undefined as never)) as [Record<string, HostArray>];
  const isKept = [...((later[keptRows] as HostArray).data as Uint8Array)];
  expect(isKept).toHaveLength(keys.length);
  const count = isKept.filter(Boolean).length;
  expect(count).toBe(keys.filter((key) => key === keys[0]).length);
  expect(later[keptStates]).toEqual({
    dtype: 'f32',
    shape: [count, 2],
    data: Float32Array.from(
      Array(count)
        .fill([...row])
        .flat(),
    ),
  });
  expect(later.pixel_values?.shape[0]).toBe(keys.length - count);
});
