/** PyTorch's own files: their tensors as PyTorch has them, and nothing of what else they may ask for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytesSource, openCheckpoint, openTorch, readTensors } from '../../src/checkpoint/index.js';
import { temporaryFolder } from '../temporary.js';

const fixture = (name: string) => join(import.meta.dirname, '../fixtures/checkpoint', name);
const bytesOf = (name: string) => new Uint8Array(readFileSync(fixture(name)));

describe.each(['torch.pth', 'torch-legacy.pth', 'torch-wrapped.pth'])('%s', (name) => {
  test('has the same tensors as a safetensors file, of every type, in any order and within others', async () => {
    const expected = await readTensors(fixture('torch.safetensors'));
    expect(await readTensors(fixture(name))).toEqual(expected);
    expect(Object.keys(expected)).toHaveLength(9);
  });

  test('is mapped where its tensors stand row by row', async () => {
    const checkpoint = await openCheckpoint(fixture(name));
    const { source } = checkpoint.tensors.get('a.weight') ?? {};
    expect(source).toMatchObject({ file: fixture(name), length: 24 });
    const { offset } = source as { offset: number };
    const stored = await checkpoint.readStored('a.weight');
    expect([...bytesOf(name).subarray(offset, offset + 24)]).toEqual([...stored]);
    await checkpoint.close();
  });
});

/** A pickle of protocol 2. */
const pickle = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from([
    0x80,
    2,
    ...parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part)] : part)),
    0x2e,
  ]);

/** The beginning that files of the old form have: their number, their form, and an empty description of the system. */
const beginning = (): Uint8Array[] => {
  const legacy = bytesOf('torch-legacy.pth');
  const ends = [...legacy.keys()].filter((i) => legacy[i] === 0x2e && legacy[i + 1] === 0x80 && legacy[i + 2] === 2);
  return [legacy.subarray(0, (ends[1] as number) + 1), pickle('}')];
};

const opened = (...pickles: Uint8Array[]) =>
  openTorch(bytesSource(Buffer.concat([...beginning(), ...pickles]), 'x.pth'));

describe('a file that asks for more than tensors is refused, and nothing of it runs:', () => {
  test.each([
    ['a call of the system', pickle('cposix\nsystem\n', 'X', [4, 0, 0, 0], 'true', [0x85, 0x52]), /posix\.system/],
    ['a builtin', pickle('cbuiltins\neval\n', 'X', [1, 0, 0, 0], '1', [0x85, 0x52]), /builtins\.eval/],
    ['an object made anew', pickle('cos\npopen\n', [0x29, 0x81]), /os\.popen/],
    ['a module of its own', pickle('cmodels.yolo\nModel\n', [0x29, 0x81]), /save the state dict alone/],
    ['an operation of old protocols', pickle('(S"x"\n', 'ios\nsystem\n'), /0x53, which no checkpoint/],
    ['a name that is no text', pickle(']]', [0x86, 0x71, 0], 'h', [0, 0x93]), /a name is no text/],
    ['a name in place of tensors', pickle('cos\nsystem\n'), /os\.system in place of named tensors/],
    ['numbers in place of tensors', pickle('}'), /no named tensors/],
  ])('%s', async (_, bytes, message) => {
    await expect(opened(bytes, pickle(']'))).rejects.toThrow(message as RegExp);
  });

  test('a dictionary that holds itself ends all the same', async () => {
    await expect(opened(pickle('}', [0x71, 0], 'X', [1, 0, 0, 0], 'a', [0x68, 0], 's'), pickle(']'))).rejects.toThrow(
      'no named tensors',
    );
  });
});

const text = (value: string): number[] => [0x58, value.length, 0, 0, 0, ...Buffer.from(value)];

/** A tensor of a storage of six numbers, or of none. */
const tensorOf = (shape: readonly number[], strides: readonly number[], count = 6): number[] => {
  const counts = (numbers: readonly number[]): number[] => [0x28, ...numbers.flatMap((n) => [0x4b, n]), 0x74];
  const name = (own: string): number[] => [...Buffer.from(`c${own}\n`)];
  const storage = [...text('storage'), ...name('torch\nFloatStorage'), ...text('0'), ...text('cpu'), 0x4b, count];
  return [
    ...[...name('torch._utils\n_rebuild_tensor_v2'), 0x28, 0x28, ...storage, 0x74, 0x51, 0x4b, 0],
    ...[...counts(shape), ...counts(strides), 0x89, ...name('collections\nOrderedDict'), 0x29, 0x52, 0x74, 0x52],
  ];
};

/** The keys of the storages, and the storage. */
const storageOf = (numbers: readonly number[]): Uint8Array[] => [
  pickle(']', text('0'), 'a'),
  new Uint8Array(8),
  new Uint8Array(Float32Array.from(numbers).buffer),
];

const six = storageOf([1, 2, 3, 4, 5, 6]);

test('a dictionary is also read as Python 2 writes it: made of its pairs', async () => {
  const pairs = (...parts: number[][]) => pickle('ccollections\nOrderedDict\n(', ...parts, [0x74, 0x52]);
  const own = [0x5d, 0x28, 0x5d, 0x28, ...text('a'), ...tensorOf([2, 3], [3, 1]), 0x65, 0x65];
  const checkpoint = await opened(pairs(own), ...six);
  expect((await checkpoint.read('a')).data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  await expect(opened(pairs(text('a')), ...six)).rejects.toThrow('a dictionary of what are no pairs');
});

const named = (tensors: Readonly<Record<string, number[]>>): Uint8Array =>
  pickle('}(', ...Object.entries(tensors).flatMap(([name, tensor]) => [text(name), tensor]), 'u');

test('tensors without elements are read, whatever their strides', async () => {
  const checkpoint = await opened(named({ a: tensorOf([3, 0], [1, 1], 0) }), ...storageOf([]));
  expect(await checkpoint.read('a')).toEqual({ dtype: 'f32', shape: [3, 0], data: new Float32Array() });
});

test('what would take more memory than its file is refused', async () => {
  const turned = (count: number) =>
    named(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, tensorOf([3, 2], [1, 3])])));
  const checkpoint = await opened(turned(2), ...six);
  expect((await checkpoint.read('1')).data).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
  // Each is described in more bytes than it has; described once and named often, in fewer.
  const [first, ...others] = Array.from({ length: 99 }, (_, i) => `${i}`);
  const often = pickle(
    '}(',
    text(first as string),
    tensorOf([3, 2], [1, 3]),
    [0x71, 0],
    ...others.map((name) => [...text(name), 0x68, 0]),
    'u',
  );
  await expect(opened(often, ...six)).rejects.toMatchObject({ code: 'limit', message: /more than the file/ });
  const axes = Array.from({ length: 65 }, () => 1);
  await expect(opened(named({ a: tensorOf(axes, axes) }), ...six)).rejects.toThrow('the tensor a has 65 axes');
});

test('a compressed archive is refused', async () => {
  const bytes = bytesOf('torch.pth');
  const view = new DataView(bytes.buffer);
  for (let i = 0; i + 4 < bytes.length; i++)
    if (view.getUint32(i, true) === 0x02014b50) view.setUint16(i + 10, 8, true);
  await expect(openTorch(bytesSource(bytes, 'x.pth'))).rejects.toThrow('is compressed');
});

test('a folder has its usual name before others', async () => {
  const folder = temporaryFolder({ 'optimizer.pt': 'x', 'pytorch_model.bin': bytesOf('torch.pth') });
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.tensors.size).toBe(9);
  await checkpoint.close();
});
