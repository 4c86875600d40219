/** Sessions of the same graph over the same files are one. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { add, constant, graph, input, matmul, parameter } from '../../src/graph/index.js';
import { type Binding, lower } from '../../src/onnx/index.js';
import { nativeEngine } from '../../src/runtime/native.js';
import { loadOrt } from '../../src/runtime/native-api.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { temporaryFile } from '../temporary.js';

const engine = nativeEngine();
const size = 1024;
const random = new Random(6);

function weightsFile(): string {
  const weights = new Uint8Array(Float32Array.from({ length: size * size }, () => random.normal()).buffer);
  return temporaryFile('weights.bin', weights);
}

/** x W + c, where W lies in a file and c, larger than what is copied into graphs, in memory. */
function model(file: string, shift = 0) {
  const c = constant(
    hostArray(
      'f32',
      [size],
      Array.from({ length: size }, (_, i) => i + shift),
    ),
  );
  const y = add(matmul(input('x', 'f32', ['B', size]), parameter('W', 'f32', [size, size])), c);
  const source = { file, offset: 0, length: 4 * size * size };
  return lower(graph('sharing', { y }), new Map<string, Binding>([['W', { dtype: 'f32', source }]]));
}

const x = hostArray(
  'f32',
  [1, size],
  Array.from({ length: size }, () => random.normal()),
);
/** How many sessions the library was asked for since. */
function countMade(): () => number {
  const spy = vi.spyOn(loadOrt(), 'callAsync');
  onTestFinished(() => spy.mockRestore());
  return () => spy.mock.calls.filter(([name]) => name === 'CreateSessionFromArray').length;
}

test('sessions of the same are made once, and live on when the first is closed', async () => {
  const made = countMade();
  const file = weightsFile();
  const first = await engine.createSession(model(file));
  const expected = toNumbers((await first.run({ x })).y as HostArray);
  const others = await Promise.all(Array.from({ length: 8 }, () => engine.createSession(model(file))));
  expect(made()).toBe(1);
  await first.close();
  globalThis.gc?.();
  for (const session of others) {
    expect(toNumbers((await session.run({ x })).y as HostArray)).toEqual(expected);
    await session.close();
    await session.close();
  }
  await expect(first.run({ x })).rejects.toThrow('closed');
});

test('another constant, or a file with other contents, makes another session', async () => {
  const file = weightsFile();
  const first = await engine.createSession(model(file));
  const [y] = toNumbers((await first.run({ x })).y as HostArray) as [number];
  const shifted = await engine.createSession(model(file, 5));
  expect(toNumbers((await shifted.run({ x })).y as HostArray)[0]).toBeCloseTo(y + 5, 2);
  rmSync(file);
  writeFileSync(file, new Uint8Array(4 * size * size));
  expect(readFileSync(file).every((byte) => byte === 0)).toBe(true);
  const changed = await engine.createSession(model(file));
  expect(toNumbers((await changed.run({ x })).y as HostArray)[0]).toBe(0);
  for (const session of [first, shifted, changed]) await session.close();
});
