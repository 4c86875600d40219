/** Threads that read pictures give what this one gives, errors included, and end soon after their last reader. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createPictureReader } from '../../src/data/workers/pictures.js';
import { createPool } from '../../src/data/workers/pool.js';
import { lingering } from '../../src/data/workers/shared-pool.js';
import { imageProcessorOf, loadPicture } from '../../src/media/index.js';
import { QuintetError, toNumbers } from '../../src/tensor/index.js';
import { fixturePath } from '../fixture.js';

const files = join(fixturePath('data'), 'pictures');
const settings = {
  preprocessor: { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 18 }, crop_size: 16 },
};

/** The number of a thread that is started now: each one of the process has the next. */
async function nextThread(): Promise<number> {
  const worker = new Worker('', { eval: true });
  const { threadId } = worker;
  await worker.terminate();
  return threadId;
}

function open(...[given = settings]: Parameters<typeof createPictureReader>[0][]) {
  const reader = createPictureReader(given);
  onTestFinished(reader.close);
  return reader;
}

test('pictures by path and by bytes become what they become here', async () => {
  const reader = open();
  const names = ['0.png', '1.jpg', '2.png', '3.jpg'].map((name) => join(files, name));
  const read = names.map((path, i) => {
    const file = readFileSync(path);
    // A part of something larger, as a row of a Parquet file is.
    const page = new Uint8Array(file.length + 6);
    page.set(file, 6);
    return reader.read({ pictures: [path, i % 2 ? page.subarray(6) : path], where: 'data' });
  });
  const process = imageProcessorOf(settings);
  for (const [i, found] of (await Promise.all(read)).entries()) {
    const picture = await loadPicture(names[i] as string);
    const wanted = process([[picture, picture]]);
    expect(found.layouts).toEqual(wanted.pictures[0]);
    const { pixel_values: pixels } = found.tensors;
    expect(pixels?.shape).toEqual([2, 3, 16, 16]);
    expect(toNumbers(pixels as never)).toEqual(toNumbers(wanted.tensors.pixel_values as never));
  }
  expect(await reader.read({ pictures: [], where: 'data' })).toEqual({ tensors: {}, layouts: [] });
});

test('what is wrong with a picture is told as if it had been read here', async () => {
  const reader = open();
  const failure = (picture: string | Uint8Array) =>
    reader.read({ pictures: [join(files, '0.png'), picture], where: 'x.tar:7' }).catch((error) => error);
  const here = await loadPicture(join(files, 'missing.png')).catch((error) => error);
  const missing = await failure(join(files, 'missing.png'));
  expect(missing).toBeInstanceOf(QuintetError);
  expect([missing.message, missing.code, missing.at]).toEqual([here.message, 'not-found', here.at]);
  const damaged = await failure(readFileSync(join(files, '0.png')).subarray(0, 100));
  expect([damaged.code, damaged.at]).toEqual(['media', 'x.tar:7: picture 2']);
  expect(damaged.hint).toBe('The file is truncated or damaged: fetch or export it again.');
  const text = await failure(new TextEncoder().encode('no picture'));
  expect(text.message).toMatch(/^x\.tar:7: picture 2: not a PNG, JPEG, WebP or GIF picture .*\n {2}Convert it/);
});

test('settings that are wrong are the fault of the settings', async () => {
  const reader = open({ preprocessor: { image_processor_type: 'CLIPImageProcesor' } });
  await expect(reader.read({ pictures: [join(files, '0.png')], where: 'x' })).rejects.toThrow('Did you mean CLIP');
});

test('closing ends what is under way, and nothing can be asked for afterwards', async () => {
  const reader = createPictureReader(settings);
  const reading = Array.from({ length: 50 }, () =>
    reader.read({ pictures: [join(files, '0.png')], where: 'x' }).then(
      () => 'read',
      (error) => (error as QuintetError).code,
    ),
  );
  await reader.close();
  expect(new Set(await Promise.all(reading))).toEqual(new Set(['aborted']));
  await expect(reader.read({ pictures: [join(files, '0.png')], where: 'x' })).rejects.toThrow('closed');
});

test('readers of the same settings share threads, and closing one ends what it was asked for alone', async () => {
  const [own, other] = [open(), createPictureReader(settings)];
  const sample = { pictures: [join(files, '0.png')], where: 'x' };
  await own.read(sample);
  const before = await nextThread();
  await other.read(sample);
  // None was started in between.
  expect((await nextThread()) - before).toBe(1);
  const [kept, ended] = [own.read(sample), other.read(sample).catch((error: QuintetError) => error.code)];
  await other.close();
  expect(await ended).toBe('aborted');
  expect(await kept).toHaveProperty('layouts');
});

test('threads wait for the next reader of the same settings, for a while', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  // Settings that no other test has.
  const own = { preprocessor: { ...settings.preprocessor, crop_size: 15 } };
  const sample = { pictures: [join(files, '0.png')], where: 'x' };
  /** How many threads are started for a reader that begins now. */
  const started = async (): Promise<number> => {
    const reader = createPictureReader(own);
    const before = await nextThread();
    await reader.read(sample);
    const count = (await nextThread()) - before - 1;
    await reader.close();
    return count;
  };
  expect(await started()).toBeGreaterThan(0);
  vi.advanceTimersByTime(lingering - 1);
  expect(await started()).toBe(0);
  // Its time begins anew with each reader.
  vi.advanceTimersByTime(lingering - 1);
  expect(await started()).toBe(0);
  vi.advanceTimersByTime(lingering);
  expect(await started()).toBeGreaterThan(0);
});

test('tasks of a reader that was closed do not wait with the threads', async () => {
  const own = { preprocessor: { ...settings.preprocessor, crop_size: 14 } };
  const [first, last] = [createPictureReader(own), createPictureReader(own)];
  const sample = { pictures: [join(files, '0.png')], where: 'x' };
  await last.read(sample);
  const reading = Array.from({ length: 50 }, () => first.read(sample).catch((error: QuintetError) => error.code));
  await new Promise(setImmediate);
  await first.close();
  await last.close();
  expect(await Promise.all(reading)).toContain('aborted');
  // Nobody else has those threads.
  const next = open(own);
  const before = await nextThread();
  await next.read(sample);
  expect((await nextThread()) - before).toBeGreaterThan(1);
});

test('a task that its thread does not survive fails alone', async () => {
  const pool = createPool<unknown, unknown>({ worker: 'picture-worker', size: 1, data: settings, seconds: 60 });
  onTestFinished(pool.close);
  const good = { pictures: [join(files, '0.png')], where: 'x' };
  const dead = createPool<unknown, unknown>({
    worker: 'picture-worker',
    size: 1,
    data: { preprocessor: 7 },
    seconds: 60,
  });
  onTestFinished(dead.close);
  await expect(dead.run(good)).rejects.toThrow(/the thread that read it failed: .*expected an object, got 7/);
  await expect(dead.run(good)).rejects.toThrow('the thread that read it failed');
  // What a task says wrongly is no end of the thread: the next one is answered.
  await expect(pool.run({ pictures: 7, where: 'x' })).rejects.toThrow();
  expect(await pool.run(good)).toHaveProperty('layouts');
});
