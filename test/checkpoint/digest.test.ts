/** A digest that is written with a file: beside other work, and where the system writes little at a time. */
import { Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { isAsWritten } from '../../src/checkpoint/safetensors-digest.js';
import { zerosArray } from '../../src/tensor/index.js';
import { temporaryFile } from '../temporary.js';

afterEach(() => void vi.restoreAllMocks());

test('is reckoned in parts, between which others have their turn', async () => {
  const file = temporaryFile('x.safetensors', '');
  let turns = 0;
  let running = true;
  const count = (): void => {
    turns++;
    if (running) setImmediate(count);
  };
  const bytesIn = new Map<number, number>();
  const update = Hash.prototype.update as (this: Hash, data: string | Uint8Array) => Hash;
  vi.spyOn(Hash.prototype, 'update').mockImplementation(function (this: Hash, data: string | Uint8Array) {
    bytesIn.set(turns, (bytesIn.get(turns) ?? 0) + data.length);
    return update.call(this, data);
  } as never);
  count();
  await writeSafetensors(file, { a: zerosArray('u8', [2 ** 24]) }, { digest: true });
  running = false;
  expect([...bytesIn.values()].reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(2 ** 24);
  expect(Math.max(...bytesIn.values())).toBeLessThan(2 ** 23);
  vi.restoreAllMocks();
  expect(await isAsWritten(file)).toBe(true);
});

test('is whole where a call writes only a part', async () => {
  const file = temporaryFile('x.safetensors', '');
  const handle = await open(file);
  const proto = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const write = proto.write as (this: unknown, ...args: unknown[]) => Promise<{ bytesWritten: number }>;
  vi.spyOn(proto, 'write').mockImplementation(function (this: unknown, data: unknown, ...args: unknown[]) {
    if (typeof data === 'string') return write.call(this, data.slice(0, 50), ...args);
    const [offset, length, position] = args as number[];
    return write.call(this, data, offset, Math.min(length as number, 50), position);
  } as never);
  await writeSafetensors(file, { a: zerosArray('u8', [200]) }, { digest: true });
  vi.restoreAllMocks();
  expect(await isAsWritten(file)).toBe(true);
});
