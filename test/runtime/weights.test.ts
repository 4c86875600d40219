/** Weights: in files that stay mapped, wherever they lie, and in memory that is not copied. */
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { add, gather, graph, input, matmul, parameter } from '../../src/graph/index.js';
import { type Binding, lower } from '../../src/onnx/index.js';
import { nativeEngine } from '../../src/runtime/native.js';
import { bytesOf, type DType, type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { sharedFolder } from '../temporary.js';
import { forEachEngine } from './engines.js';

const ROWS = 2048;
const WIDTH = 64;

const folder = realpathSync(sharedFolder());

/** A table whose row i holds i everywhere, and what a graph that picks rows of it needs. */
function table(dtype: DType): HostArray {
  const values = Array.from({ length: ROWS * WIDTH }, (_, i) => Math.floor(i / WIDTH) % 100);
  return hostArray(dtype, [ROWS, WIDTH], values);
}

const picked = graph('picked', {
  y: add(
    gather(parameter('table', 'f32', [ROWS, WIDTH]), input('ids', 'i64', ['N']), 0),
    parameter('bias', 'f32', [WIDTH]),
  ),
});

/** Writes an array behind some other bytes; a binding to it. */
function stored(path: string, array: HostArray, before = 13): Binding {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, Buffer.concat([Buffer.alloc(before, 255), bytesOf(array)]));
  return { dtype: array.dtype, source: { file: path, offset: before, length: array.data.byteLength } };
}

const inMemory = (array: HostArray): Binding => ({ dtype: array.dtype, source: { bytes: bytesOf(array) } });
const bias = hostArray('f32', [WIDTH], Array(WIDTH).fill(0.5));
const ids = hostArray('i64', [2], [7, 2047]);
const rows = hostArray('f32', [2, WIDTH], [...Array(WIDTH).fill(7.5), ...Array(WIDTH).fill(47.5)]);

forEachEngine((engine) => {
  test('are read from ranges of files in several folders, also behind links', async () => {
    const snapshot = join(folder, engine.name, 'hub/snapshots/1/model.safetensors');
    const blob = stored(join(folder, engine.name, 'hub/blobs/0123'), table('f32'));
    mkdirSync(join(snapshot, '..'), { recursive: true });
    symlinkSync('../../blobs/0123', snapshot);
    const linked: Binding = {
      ...blob,
      source: { ...(blob.source as { offset: number; length: number }), file: snapshot },
    };
    const elsewhere = stored(join(folder, engine.name, 'adapters/bias.safetensors'), bias, 8);
    const session = await engine.createSession(
      lower(
        picked,
        new Map([
          ['table', linked],
          ['bias', elsewhere],
        ]),
      ),
    );
    expect((await session.run({ ids })).y).toEqual(rows);
    await session.close();
  });

  test.for(['f16', 'bf16', 'i32', 'u8', 'i64'] as const)('are cast from %s', async (dtype) => {
    const file = stored(join(folder, engine.name, `${dtype}.safetensors`), table(dtype));
    for (const binding of [file, inMemory(table(dtype))]) {
      const session = await engine.createSession(
        lower(
          picked,
          new Map([
            ['table', binding],
            ['bias', inMemory(bias)],
          ]),
        ),
      );
      expect((await session.run({ ids })).y).toEqual(rows);
      await session.close();
    }
  });

  test.for(['bf16', 'f16'] as const)('are multiplied by where they are stored in %s', async (dtype) => {
    const weight = parameter('table', 'f32', [ROWS, WIDTH]);
    const product = graph('product', { y: matmul(input('x', 'f32', [1, ROWS]), weight) });
    const x = hostArray(
      'f32',
      [1, ROWS],
      Array.from({ length: ROWS }, (_, i) => (i === 5 || i === 2047 ? 1 : 0)),
    );
    const file = stored(join(folder, engine.name, `${dtype}-product.safetensors`), table(dtype));
    for (const binding of [file, inMemory(table(dtype))]) {
      const session = await engine.createSession(lower(product, new Map([['table', binding]])));
      expect((await session.run({ x })).y).toEqual(hostArray('f32', [1, WIDTH], Array(WIDTH).fill(52)));
      await session.close();
    }
  });

  test('an empty one is no trouble', async () => {
    const empty = hostArray('f32', [0, 2], []);
    const y = matmul(input('x', 'f32', [1, 0]), parameter('w', 'f32', [0, 2]));
    for (const binding of [inMemory(empty), stored(join(folder, engine.name, 'empty.safetensors'), empty)]) {
      const session = await engine.createSession(lower(graph('empty', { y }), new Map([['w', binding]])));
      expect((await session.run({ x: hostArray('f32', [1, 0], []) })).y).toEqual(hostArray('f32', [1, 2], [0, 0]));
      await session.close();
    }
  });

  test('a file that is missing or too short is an error that names it or the weight', async () => {
    const missing: Binding = {
      dtype: 'f32',
      source: { file: join(folder, 'nowhere'), offset: 0, length: 4 * ROWS * WIDTH },
    };
    const making = (binding: Binding) =>
      engine.createSession(
        lower(
          picked,
          new Map([
            ['table', binding],
            ['bias', inMemory(bias)],
          ]),
        ),
      );
    await expect(making(missing)).rejects.toMatchObject({ code: 'not-found', at: join(folder, 'nowhere') });
    const short = stored(join(folder, engine.name, 'short.safetensors'), bias);
    const beyond = { ...short, source: { ...short.source, length: 4 * ROWS * WIDTH } } as Binding;
    await expect(making(beyond)).rejects.toThrow(/short\.safetensors|tensor table failed/);
  });
});

test.runIf(process.platform === 'linux')('the native engine maps files instead of reading them', async () => {
  const path = join(folder, 'mapped.safetensors');
  const session = await nativeEngine().createSession(
    lower(
      picked,
      new Map([
        ['table', stored(path, table('bf16'))],
        ['bias', inMemory(bias)],
      ]),
    ),
  );
  expect(readFileSync('/proc/self/maps', 'utf8')).toContain(path);
  await session.close();
  expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain(path);
});

test('the native engine reads weights in memory where they are', async () => {
  const array = table('f32');
  const y = gather(parameter('table', 'f32', [ROWS, WIDTH]), input('ids', 'i64', ['N']), 0);
  const session = await nativeEngine().createSession(lower(graph('g', { y }), new Map([['table', inMemory(array)]])));
  (array.data as Float32Array).fill(3, 7 * WIDTH, 8 * WIDTH);
  const row = await session.run({ ids: hostArray('i64', [1], [7]) });
  expect(row.y).toEqual(hostArray('f32', [1, WIDTH], Array(WIDTH).fill(3)));
  await session.close();
});

test('what is given away is copied: its bytes may change once the session is made', async () => {
  const product = parameter('product', 'f32', [WIDTH, WIDTH]);
  const built = graph('given', {
    y: matmul(gather(parameter('table', 'f32', [ROWS, WIDTH]), input('ids', 'i64', ['N']), 0), product),
  });
  const own = [table('f32'), hostArray('f32', [WIDTH, WIDTH], Array(WIDTH * WIDTH).fill(1))] as const;
  const given = (array: HostArray): Binding => ({ dtype: 'f32', source: { bytes: bytesOf(array), givenAway: true } });
  const bindings = new Map(['table', 'product'].map((name, i) => [name, given(own[i] as HostArray)]));
  const session = await nativeEngine({ threads: 1 }).createSession(lower(built, bindings));
  for (const { data } of own) (data as Float32Array).fill(Number.NaN);
  const { y } = await session.run({ ids });
  expect(toNumbers(y as HostArray)).toEqual([...Array(WIDTH).fill(7 * WIDTH), ...Array(WIDTH).fill(47 * WIDTH)]);
  await session.close();
});
