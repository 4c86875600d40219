import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint, openMemoryFolder, writeSafetensors } from '../../src/checkpoint/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';
import { type GgufTensor, ggufBytes, texts, u32 } from './gguf-bytes.js';

const floats = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);
const tensor = (name: string, ...values: number[]): GgufTensor => ({
  ...{ name, shape: [values.length], type: 0 },
  bytes: floats(...values),
});

/** A model in two parts, as llama.cpp's gguf-split leaves it: all that is known of it stands in the first. */
const first = ggufBytes(
  [
    ['general.name', texts('in parts')],
    ['split.no', u32(0)],
    ['split.count', u32(2)],
  ],
  [tensor('a', 1, 2)],
);
const second = ggufBytes(
  [
    ['split.no', u32(1)],
    ['split.count', u32(2)],
  ],
  [tensor('b', 3)],
);

test('a GGUF model in parts is one checkpoint', async () => {
  const inner = temporaryFolder({ 'x-00001-of-00002.gguf': first, 'x-00002-of-00002.gguf': second });
  const checkpoint = await openCheckpoint(inner);
  expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
  expect((await checkpoint.read('a')).data).toEqual(new Float32Array([1, 2]));
  expect((await checkpoint.read('b')).data).toEqual(new Float32Array([3]));
  expect(checkpoint.metadata.get('general.name')).toBe('in parts');
  expect(checkpoint.files).toHaveLength(2);
  await checkpoint.close();
});

test.each<[string, Record<string, Uint8Array>, string, string]>([
  ['a missing part', { 'x-00001-of-00002.gguf': first }, 'x-00001-of-00002.gguf', 'no such file'],
  ['a part alone', { 'y.gguf': second }, 'y.gguf', 'part 2 of 2 of a GGUF model, where 1 are given'],
  [
    'parts in another order',
    { 'x-00001-of-00002.gguf': second, 'x-00002-of-00002.gguf': first },
    'x-00001-of-00002.gguf',
    'part 2 of 2 of a GGUF model, where 2 are given',
  ],
])('%s is told', async (_, files, name, message) => {
  const inner = temporaryFolder(files);
  await expect(openCheckpoint(join(inner, name))).rejects.toThrow(message);
});

const listed = (parts: unknown) => JSON.stringify({ parts });

test('the parts of a model are read where they lie, each under its prefix', async () => {
  const inner = temporaryFolder({
    'model.parts.json': listed({ seeing: 'eye.safetensors', 'speaking.all': 'x-00001-of-00002.gguf' }),
    'x-00001-of-00002.gguf': first,
    'x-00002-of-00002.gguf': second,
  });
  await writeSafetensors(join(inner, 'eye.safetensors'), [['w', hostArray('f32', [1], new Float32Array([7]))]]);
  const checkpoint = await openCheckpoint(inner);
  expect([...checkpoint.tensors.keys()]).toEqual(['seeing.w', 'speaking.all.a', 'speaking.all.b']);
  expect((await checkpoint.read('speaking.all.b')).data).toEqual(new Float32Array([3]));
  expect(await checkpoint.readStored('seeing.w')).toEqual(floats(7));
  expect(checkpoint.metadata.get('general.name')).toBe('in parts');
  await checkpoint.close();
});

test('the same folder is read from memory', async () => {
  const files = new Map<string, Uint8Array>([
    ['config.json', new TextEncoder().encode('{}')],
    ['model.parts.json', new TextEncoder().encode(listed({ speaking: 'x-00001-of-00002.gguf' }))],
    ['x-00001-of-00002.gguf', first],
    ['x-00002-of-00002.gguf', second],
  ]);
  const { checkpoint } = await openMemoryFolder(files, 'memory');
  expect([...checkpoint.tensors.keys()]).toEqual(['speaking.a', 'speaking.b']);
  expect((await checkpoint.read('speaking.a')).data).toEqual(new Float32Array([1, 2]));
});

test.each<[string, unknown, string]>([
  ['a path that leaves the folder', { a: '../x.gguf' }, 'which is no file of weights'],
  ['an index of further files', { a: 'model.parts.json' }, 'which is no file of weights'],
  ['a prefix that is none', { 'a b': 'x.gguf' }, 'is no prefix'],
  ['no parts', {}, 'no entries in "parts"'],
  ['no text', { a: 3 }, 'expected a text, got 3'],
])('%s is refused', async (_, parts, message) => {
  const inner = temporaryFolder({ 'model.parts.json': listed(parts) });
  await expect(openCheckpoint(inner)).rejects.toThrow(message);
});
