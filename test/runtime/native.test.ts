/** What only the native engine promises: off the event loop, in place, stopped half-way, and nothing left behind. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { add, graph, input, matmul, parameter, type Tensor, tanh } from '../../src/graph/index.js';
import { applyAll } from '../../src/graph/tensor.js';
import { lower, type OnnxNode } from '../../src/onnx/index.js';
import type { SessionOptions } from '../../src/runtime/engine.js';
import { nativeEngine } from '../../src/runtime/native.js';
import { loadOrt } from '../../src/runtime/native-api.js';
import { bytesOf, type HostArray, hostArray, Random, toNumbers, zerosArray } from '../../src/tensor/index.js';
import { expectClose } from '../graph/close.js';
import { temporaryFolder } from '../temporary.js';

const engine = nativeEngine();

/** Products of matrices [size, size], one after the other. */
function products(count: number, size: number): ReturnType<typeof lower> {
  const w = input('w', 'f32', [size, size]);
  let y: Tensor = w;
  for (let i = 0; i < count; i++) y = matmul(y, w);
  return lower(graph('products', { y }));
}

function normal(shape: number[], seed: number): HostArray {
  const random = new Random(seed);
  return hostArray(
    'f32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
}

test('timers go on while a graph runs', async () => {
  const session = await engine.createSession(products(20, 768), { threads: 1 });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const start = performance.now();
  await session.run({ w: zerosArray('f32', [768, 768]) });
  const time = performance.now() - start;
  clearInterval(timer);
  await session.close();
  expect(ticks).toBeGreaterThan(time / 20);
});

test('timers go on while a session is made', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  let y: Tensor = input('x', 'f32', ['N']);
  for (let i = 0; i < 1500; i++) y = add(y, y);
  const model = lower(graph('deep', { y }));
  ticks = 0;
  const session = await engine.createSession(model);
  clearInterval(timer);
  await session.close();
  // Were it made on the thread of the event loop, there would be none, however fast the machine.
  expect(ticks).toBeGreaterThan(0);
});

test('a signal stops a run half-way, and the session goes on', async () => {
  const session = await engine.createSession(products(400, 512), { threads: 1 });
  const controller = new AbortController();
  const y = hostArray('f32', [512, 512], new Array(512 * 512).fill(1));
  const running = session.run({ w: zerosArray('f32', [512, 512]) }, { signal: controller.signal, into: { y } });
  setTimeout(() => controller.abort('enough'), 10);
  // A run that came to its end would have written over them.
  await expect(running).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
  expect(toNumbers(y).every((number) => number === 1)).toBe(true);
  const small = await engine.createSession(products(1, 2));
  expect((await small.run({ w: hostArray('f32', [2, 2], [1, 2, 3, 4]) })).y?.data).toEqual(
    Float32Array.of(7, 10, 15, 22),
  );
  await Promise.all([session.close(), small.close()]);
});

test('closing waits for the run in flight', async () => {
  const session = await engine.createSession(products(20, 512), { threads: 1 });
  const order: string[] = [];
  const running = session.run({ w: zerosArray('f32', [512, 512]) }).then(() => order.push('run'));
  await session.close().then(() => order.push('close'));
  await running;
  expect(order).toEqual(['run', 'close']);
});

test('outputs are written into given arrays, also into an input', async () => {
  const x = input('x', 'f32', ['N']);
  const session = await engine.createSession(lower(graph('double', { y: add(x, x) })));
  const array = hostArray('f32', [3], [1, 2, 3]);
  const { y } = await session.run({ x: array }, { into: { y: array } });
  expect(y).toBe(array);
  expect(array.data).toEqual(Float32Array.of(2, 4, 6));
  const memory = new WebAssembly.Memory({ initial: 1 });
  const view = new Float32Array(memory.buffer, 16, 3);
  await session.run({ x: array }, { into: { y: { dtype: 'f32', shape: [3], data: view } } });
  expect(view).toEqual(Float32Array.of(4, 8, 12));
  const run = (into: Record<string, HostArray>) => session.run({ x: array }, { into });
  await expect(run({ y: hostArray('f32', [2], [0, 0]) })).rejects.toThrow('output "y" is [N], not [2]: it will be [3]');
  await expect(run({ y: hostArray('i32', [3], [0, 0, 0]) })).rejects.toThrow('output "y" is f32, not i32');
  await expect(run({ z: array })).rejects.toThrow('there is no wanted output "z"');
  await session.close();
});

/** One step of attention over a cache of S places. H 2 heads, K 16 wide */
function attention(): ReturnType<typeof lower> {
  const operands = ['query', 'key', 'value'].map((name) => input(name, 'f32', [1, 1, 32]));
  const past = ['pastKeys', 'pastValues'].map((name) => input(name, 'f32', [1, 2, 'S', 16]));
  const places = [input('last', 'i32', [1]), input('total', 'i32', [])];
  const attributes = { num_heads: 2, kv_num_heads: 2, scale: 0.25, do_rotary: 0, present: ['S'] } as const;
  const [y, keys, values] = applyAll('GroupQueryAttention', [...operands, ...past, ...places], attributes);
  return lower(graph('attention', { y: y as Tensor, keys: keys as Tensor, values: values as Tensor }));
}

test('a cache in place gives what a copied one gives', async () => {
  const session = await engine.createSession(attention());
  const shared = { keys: zerosArray('f32', [1, 2, 8, 16]), values: zerosArray('f32', [1, 2, 8, 16]) };
  let copied: Record<string, HostArray> = {
    keys: zerosArray('f32', [1, 2, 8, 16]),
    values: zerosArray('f32', [1, 2, 8, 16]),
  };
  for (let step = 0; step < 5; step++) {
    const [query, key, value] = [0, 1, 2].map((i) => normal([1, 1, 32], 3 * step + i)) as [
      HostArray,
      HostArray,
      HostArray,
    ];
    const places = { last: hostArray('i32', [1], [step]), total: hostArray('i32', [], [step + 1]) };
    const feeds = { query, key, value, ...places };
    const inPlace = await session.run({ ...feeds, pastKeys: shared.keys, pastValues: shared.values }, { into: shared });
    copied = await session.run({
      ...feeds,
      pastKeys: copied.keys as HostArray,
      pastValues: copied.values as HostArray,
    });
    expectClose(inPlace.y as HostArray, { shape: [1, 1, 32], data: toNumbers(copied.y as HostArray) }, `step ${step}`);
    expect(shared.keys.data.subarray(16 * step, 16 * (step + 1))).toEqual(key.data.subarray(0, 16));
  }
  expect(shared.values.data).toEqual(copied.values?.data);
  await session.close();
});

test('all that is made is released, whether a run succeeds, fails or is stopped', async () => {
  const api = loadOrt();
  const made = vi.spyOn(api, 'make');
  const released = vi.spyOn(api, 'release');
  const session = await engine.createSession(products(1, 64));
  const w = zerosArray('f32', [64, 64]);
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController();
    const running = session.run({ w }, { signal: controller.signal });
    if (i % 2) controller.abort();
    await running.catch(() => undefined);
    await session.run({ w: zerosArray('f32', [2, 2]) }).catch(() => undefined);
  }
  await session.close();
  const count = (mock: typeof made | typeof released, name: RegExp) =>
    mock.mock.calls.filter(([first]) => name.test(first)).length;
  expect(count(made, /^CreateTensor/)).toBe(40);
  expect(count(released, /^ReleaseValue/)).toBe(40);
  expect(count(made, /^CreateRunOptions/)).toBe(20);
  expect(count(released, /^ReleaseRunOptions/)).toBe(20);
  expect(count(made, /^CreateSessionOptions/)).toBe(1);
  expect(count(released, /^ReleaseSessionOptions/)).toBe(1);
  vi.restoreAllMocks();
});

test('10,000 runs leave no memory behind', async () => {
  const x = input('x', 'f32', ['N']);
  const session = await engine.createSession(lower(graph('double', { y: add(x, x) })), { threads: 1 });
  const array = zerosArray('f32', [4096]);
  const { signal } = new AbortController();
  const runs = async (count: number) => {
    for (let i = 0; i < count; i++) await session.run({ x: array }, i % 2 ? { signal } : {});
  };
  await runs(1000);
  const before = process.memoryUsage.rss();
  await runs(10_000); // 16 KiB each: 160 MiB if results stayed
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
  await session.close();
});

test('what is computed twice stays so in training, as the profile tells', async () => {
  const profile = join(temporaryFolder(), 'profile.json');
  const x = input('x', 'f32', [8]);
  const once = lower(graph('twice', { y: add(tanh(x), x) }));
  const [first, sum] = once.nodes as [OnnxNode, OnnxNode];
  const again = { ...first, name: 'again', outputs: ['again'] };
  const model = { ...once, nodes: [first, again, { ...sum, inputs: [first.outputs[0] as string, 'again'] }] };
  const runs = async (options: SessionOptions) => {
    const session = await engine.createSession(model, { ...options, profile });
    await session.run({ x: zerosArray('f32', [8]) });
    await session.close();
    return operatorsRun(profile).filter((op) => op === 'Tanh').length;
  };
  expect(await runs({ purpose: 'train' })).toBe(2);
  expect(await runs({ purpose: 'infer' })).toBe(1);
  expect(await runs({ rewrites: false })).toBe(2);
});

test('weights are cast once also where the engine is to rewrite nothing', async () => {
  const profile = join(temporaryFolder(), 'profile.json');
  const w = hostArray('f16', [2], [1, 2]);
  const model = lower(
    graph('cast', { y: add(input('x', 'f32', [2]), parameter('w', 'f32', [2])) }),
    new Map([['w', { dtype: 'f16', source: { bytes: bytesOf(w) } }]]),
  );
  const session = await engine.createSession(model, { rewrites: false, profile });
  expect((await session.run({ x: zerosArray('f32', [2]) })).y).toEqual(hostArray('f32', [2], [1, 2]));
  await session.close();
  expect(operatorsRun(profile)).toEqual(['Add']);
});

/** The operators of all runs of a session, in order. */
function operatorsRun(profile: string): string[] {
  const events: { args?: { op_name?: string } }[] = JSON.parse(readFileSync(profile, 'utf8'));
  return events.flatMap(({ args }) => args?.op_name ?? []);
}

test('a library that is not there is an error that names it', () => {
  expect(() => nativeEngine({ library: '/nowhere/libonnxruntime.so' })).toThrow(
    /^\/nowhere\/libonnxruntime\.so: ONNX Runtime could not be loaded: .*cannot open|not found|find/,
  );
});
