/** What a session promises on every engine. */
import { expect, test } from 'vitest';
import { add, cast, concat, gather, graph, input, mul, range, reshape } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/index.js';
import { hostArray, toNumbers } from '../../src/tensor/index.js';
import { forEachEngine } from './engines.js';

const f32 = (shape: number[], values: number[]) => hostArray('f32', shape, values);

forEachEngine((engine) => {
  const x = input('x', 'f32', ['B', 2]);
  const y = input('y', 'f32', ['B', 2]);
  const arithmetic = lower(graph('arithmetic', { sum: add(x, y), product: mul(x, y) }));
  const feeds = { x: f32([1, 2], [1, 2]), y: f32([1, 2], [3, 5]) };

  test('runs with other sizes of the same session', async () => {
    const session = await engine.createSession(arithmetic);
    expect(session.inputs).toEqual(['x', 'y']);
    expect(session.outputs).toEqual(['sum', 'product']);
    const { sum, product } = await session.run(feeds);
    expect(sum).toEqual(f32([1, 2], [4, 7]));
    expect(product).toEqual(f32([1, 2], [3, 10]));
    const longer = await session.run({ x: f32([2, 2], [1, 2, 3, 4]), y: f32([2, 2], [1, 1, 1, 1]) });
    expect(longer.sum).toEqual(f32([2, 2], [2, 3, 4, 5]));
    await session.close();
  });

  test('gives only the outputs that are wanted', async () => {
    const session = await engine.createSession(arithmetic);
    expect(await session.run(feeds, { fetch: ['product'] })).toEqual({ product: f32([1, 2], [3, 10]) });
    expect(await session.run({ x: f32([0, 2], []), y: f32([0, 2], []) })).toEqual({
      sum: f32([0, 2], []),
      product: f32([0, 2], []),
    });
    await session.close();
  });

  test('gives outputs whose sizes do not follow from the inputs', async () => {
    const outputs = arithmetic.outputs.map((output) => ({ ...output, shape: ['unknown', 2] }));
    const session = await engine.createSession({ ...arithmetic, outputs });
    const { sum, product } = await session.run(feeds);
    expect(sum).toEqual(f32([1, 2], [4, 7]));
    expect(product).toEqual(f32([1, 2], [3, 10]));
    await session.close();
  });

  test('lets other events happen between runs, such as the one that aborts', async () => {
    const session = await engine.createSession(arithmetic);
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    const runs = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) await session.run(feeds, { signal: controller.signal });
    };
    await expect(runs()).rejects.toMatchObject({ code: 'aborted' });
    await session.close();
  });

  test('runs a graph that is fed nothing', async () => {
    const session = await engine.createSession(lower(graph('constant', { y: range(1, 4) })));
    expect((await session.run({})).y).toEqual(hostArray('i64', [3], [1, 2, 3]));
    await session.close();
  });

  test('reads arrays that are views into shared memory', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(64));
    shared.set([9, 9, 1, 2]);
    const session = await engine.createSession(arithmetic);
    const { sum } = await session.run({ ...feeds, x: { dtype: 'f32', shape: [1, 2], data: shared.subarray(2, 4) } });
    expect(sum).toEqual(f32([1, 2], [4, 7]));
    await session.close();
  });

  test('refuses what does not fit the graph before it runs', async () => {
    const session = await engine.createSession(arithmetic);
    const rejected = (given: Parameters<typeof session.run>[0], options = {}) =>
      expect(session.run(given, options)).rejects;
    await rejected({ x: feeds.x }).toThrow('arithmetic: input "y" is not fed');
    await rejected({ ...feeds, yy: feeds.y }).toThrow('there is no input "yy"\n  did you mean "y"?');
    await rejected({ ...feeds, y: hostArray('i64', [1, 2], [1, 2]) }).toThrow('input "y" is f32, not i64');
    await rejected({ ...feeds, y: f32([2], [1, 2]) }).toThrow('input "y" is [B, 2], not [2]');
    await rejected({ ...feeds, y: f32([1, 1], [1]) }).toThrow(
      'input "y" is [B, 2], not [1, 1]: axis 1 has 1 places, not 2',
    );
    await rejected({ ...feeds, y: f32([2, 2], [1, 2, 3, 4]) }).toThrow('input "y" is [B, 2], not [2, 2]: B is 1');
    await rejected({ ...feeds, y: { ...feeds.y, data: Float64Array.of(1, 2) } }).toThrow('16 bytes are not f32 [1, 2]');
    await rejected({ ...feeds, y: { ...feeds.y, shape: [2, 1] } }).toThrow('input "y" is [B, 2], not [2, 1]');
    await rejected(feeds, { fetch: ['summ'] }).toThrow('there is no output "summ"\n  did you mean "sum"?');
    await session.close();
  });

  test('refuses an array whose memory was given away', async () => {
    const session = await engine.createSession(arithmetic);
    const moved = f32([1, 2], [1, 2]);
    structuredClone(moved.data, { transfer: [moved.data.buffer as ArrayBuffer] });
    await expect(session.run({ ...feeds, x: moved })).rejects.toThrow('input "x": 0 bytes are not f32 [1, 2]');
    await session.close();
  });

  test('refuses sizes of which one does not follow from the others', async () => {
    const parts = concat([input('p', 'f32', ['P']), input('t', 'f32', ['T'])], 0);
    const sums = lower(graph('sums', { y: add(input('a', 'f32', ['P+T']), parts) }));
    const session = await engine.createSession(sums);
    const ones = (size: number) => f32([size], Array(size).fill(1));
    const given = { p: ones(2), t: ones(3) };
    expect((await session.run({ a: ones(5), ...given })).y).toEqual(f32([5], Array(5).fill(2)));
    await expect(session.run({ a: ones(6), ...given })).rejects.toThrow('P+T is fed as 6, but its letters make it 5');
    await session.close();
  });

  test('says at which node a run failed', async () => {
    const picked = gather(input('table', 'f32', [2, 2]), input('ids', 'i64', ['N']), 0);
    const session = await engine.createSession(lower(graph('lookup', { picked })));
    const run = session.run({ table: f32([2, 2], [1, 2, 3, 4]), ids: hostArray('i64', [1], [2]) });
    await expect(run).rejects.toMatchObject({
      code: 'engine',
      at: 'lookup, node Gather_0',
      message: expect.stringContaining('indices element out of data bounds'),
    });
    await session.close();
  });

  test('says why a session cannot be made', async () => {
    const node = { name: 'n', op: 'Nonsense', domain: '', inputs: ['x'], outputs: ['sum'], attributes: {} };
    await expect(
      engine.createSession({ ...arithmetic, nodes: [node], outputs: arithmetic.outputs.slice(0, 1) }),
    ).rejects.toMatchObject({
      code: 'engine',
      message: expect.stringMatching(/^arithmetic: .*Nonsense/s),
    });
  });

  test('several runs and sessions at once do not disturb each other', async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => engine.createSession(arithmetic)));
    const runs = Array.from({ length: 30 }, (_, i) =>
      sessions[i % 3]?.run({ x: f32([1, 2], [i, i]), y: f32([1, 2], [1, 2]) }),
    );
    for (const [i, results] of (await Promise.all(runs)).entries()) {
      expect(toNumbers(results?.sum as ReturnType<typeof f32>)).toEqual([i + 1, i + 2]);
    }
    await Promise.all(sessions.map((session) => session.close()));
  });

  test('a session may be closed twice, and ends what is running before', async () => {
    const session = await engine.createSession(arithmetic);
    const running = session.run(feeds);
    await Promise.all([session.close(), session.close()]);
    expect((await running).sum).toEqual(f32([1, 2], [4, 7]));
    await expect(session.run(feeds)).rejects.toThrow('arithmetic: the session is closed');
  });

  test('a run whose signal has fired is not begun', async () => {
    const session = await engine.createSession(arithmetic);
    const reason = new Error('not wanted');
    const aborted = session.run(feeds, { signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted', cause: reason });
    const untouched = await session.run(feeds, { signal: new AbortController().signal });
    expect(untouched.sum).toEqual(f32([1, 2], [4, 7]));
    await session.close();
  });

  test.for(['f16', 'f64', 'i64', 'i32', 'i8', 'u8', 'bool'] as const)('%s arrays go in and come out', async (dtype) => {
    const array = hostArray(dtype, [3], [1, 0, 1]);
    const session = await engine.createSession(lower(graph('same', { same: reshape(input('a', dtype, [3]), [1, 3]) })));
    expect((await session.run({ a: array })).same).toEqual({ ...array, shape: [1, 3] });
    await session.close();
  });

  test('arrays of bf16 are as many bits as they were, or refused with a reason', async () => {
    const array = hostArray('bf16', [2], [1.5, -3]);
    const making = engine.createSession(lower(graph('same', { y: cast(input('a', 'bf16', [2]), 'f32') })));
    if (engine.insideOnly.includes('bf16')) {
      await expect(making).rejects.toMatchObject({ code: 'unsupported' });
      return;
    }
    const session = await making;
    expect((await session.run({ a: array })).y).toEqual(f32([2], [1.5, -3]));
    await session.close();
  });
});
