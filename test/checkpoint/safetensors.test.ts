import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import {
  bytesSource,
  openCheckpoint,
  openSafetensors,
  parseSafetensorsHeader,
  saveCheckpoint,
  writeSafetensors,
} from '../../src/checkpoint/index.js';
import { bytesOf, type HostArray, hostArray, QuintetError, toNumbers } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';
import { safetensorsBytes } from './safetensors-bytes.js';

const reference = join(import.meta.dirname, '../fixtures/checkpoint/reference.safetensors');

describe('a file of the reference implementation', () => {
  test('is read with its dtypes, shapes and values', async () => {
    const file = await openCheckpoint(reference);
    const signed = [-3, -2, -1, 0, 1, 2];
    for (const type of ['float64', 'float32', 'float16', 'int64', 'int32', 'int16', 'int8']) {
      const array = await file.read(`layer.${type}`);
      expect([array.shape, toNumbers(array)], type).toEqual([[2, 3], signed]);
    }
    for (const type of ['uint64', 'uint32', 'uint16', 'uint8']) {
      const array = await file.read(`layer.${type}`);
      expect([array.shape, toNumbers(array)], type).toEqual([
        [3, 2],
        [0, 1, 2, 3, 4, 5],
      ]);
    }
    expect(await file.read('mask')).toMatchObject({ dtype: 'bool', data: new Uint8Array([1, 0, 1]) });
    expect(await file.read('empty')).toMatchObject({ dtype: 'f32', shape: [0, 4], data: new Float32Array(0) });
    expect(await file.read('scalar')).toMatchObject({ dtype: 'f32', shape: [], data: new Float32Array([2.5]) });
    expect(toNumbers(await file.read('naïve "name" \\ 🙂'))).toEqual([1]);
    expect([...file.metadata]).toEqual([['format', 'pt']]);
    await file.close();
  });

  test('is written byte for byte, whatever order the tensors come in, from entries, a map or a record', async () => {
    const file = await openCheckpoint(reference);
    const tensors: [string, HostArray][] = [];
    for (const name of [...file.tensors.keys()].reverse()) tensors.push([name, await file.read(name)]);
    await file.close();
    const target = join(temporaryFolder(), 'copy.safetensors');
    for (const given of [tensors, new Map(tensors), Object.fromEntries(tensors)]) {
      await writeSafetensors(target, given);
      expect(readFileSync(target)).toEqual(readFileSync(reference));
    }
  });

  test('opens from memory, and its sources are views of that memory', async () => {
    const bytes = new Uint8Array(readFileSync(reference));
    const file = await openSafetensors(bytesSource(bytes, 'upload'));
    const source = file.tensors.get('scalar')?.source as { bytes: Uint8Array };
    expect(source.bytes.buffer).toBe(bytes.buffer);
    expect(new DataView(source.bytes.slice().buffer).getFloat32(0, true)).toBe(2.5);
  });
});

test('the source of a tensor is the range of the file that holds its bytes', async () => {
  const file = await openCheckpoint(reference);
  for (const [name, { source }] of file.tensors) {
    const { file: path, offset, length } = source as { file: string; offset: number; length: number };
    expect(new Uint8Array(readFileSync(path).subarray(offset, offset + length)), name).toEqual(
      bytesOf(await file.read(name)),
    );
  }
  await file.close();
});

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

describe('what the reference implementation refuses is refused:', () => {
  const cases: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(0), 'header is missing'],
    ['a header that the file does not hold', safetensorsBytes('{}').subarray(0, 9), 'in a file of 9'],
    ['a header of 2^63 bytes', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]), 'at most 100000000'],
    ['another first character than {', safetensorsBytes(' {}'), 'does not begin with "{"'],
    ['bytes that are not UTF-8', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff]), 'not UTF-8'],
    ['text behind the header object', safetensorsBytes('{} {}'), 'unexpected text'],
    ['a list for an object', safetensorsBytes('{"a":[]}'), 'expected {'],
    ['a hole between tensors', safetensorsBytes({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), 'leaves a gap'],
    ['a hole at the start', safetensorsBytes({ a: f32([1], 4, 8) }, 8), 'leaves a gap'],
    ['overlapping tensors', safetensorsBytes({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8), 'overlaps'],
    ['bytes behind the last tensor', safetensorsBytes({ a: f32([1], 0, 4) }, 5), 'bytes of no tensor'],
    ['a file that is cut off', safetensorsBytes({ a: f32([4], 0, 16) }, 15), 'cut off'],
    ['offsets that run backwards', safetensorsBytes({ a: f32([1], 4, 0) }, 4), 'takes 4 bytes'],
    ['a length that is not shape times width', safetensorsBytes({ a: f32([3], 0, 8) }, 8), 'takes 12 bytes'],
    ['a shape whose product overflows', safetensorsBytes({ a: f32([2 ** 40, 2 ** 40], 0, 0) }), 'too large'],
    ['a product that overflows to zero', safetensorsBytes({ a: f32([2 ** 32, 2 ** 32], 0, 0) }), 'too large'],
    ['a negative dimension', safetensorsBytes({ a: f32([-1], 0, 4) }, 4), 'a whole number'],
    [
      'a fractional offset',
      safetensorsBytes('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}}', 1),
      'a whole number',
    ],
    [
      'an offset beyond 2^53',
      safetensorsBytes('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,9007199254740993]}}', 1),
      'too large',
    ],
    [
      'a name that stands twice',
      safetensorsBytes('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}'),
      'stands twice',
    ],
    ['a field that stands twice', safetensorsBytes('{"a":{"dtype":"U8","dtype":"F32"}}'), 'stands twice'],
    ['a tensor without a shape', safetensorsBytes({ a: { dtype: 'U8', data_offsets: [0, 0] } }), 'lacks'],
    ['three offsets', safetensorsBytes({ a: { ...f32([0], 0, 0), data_offsets: [0, 0, 0] } }), 'more than 2'],
    ['metadata that are no texts', safetensorsBytes({ __metadata__: { a: 1 } }), 'expected "'],
    ['a header nested without end', safetensorsBytes(`{"a":{"b":${'['.repeat(10_000)}`), 'nested deeper'],
  ];
  test.each(cases)('%s', (_, bytes, message) => {
    expect(() => parseSafetensorsHeader(bytes, bytes.byteLength, 'x.safetensors')).toThrow(message);
    expect(() => parseSafetensorsHeader(bytes, bytes.byteLength, 'x.safetensors')).toThrow(QuintetError);
  });

  test('a dtype that is not known, which the message names', () => {
    const bytes = safetensorsBytes({ a: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, 1);
    expect(() => parseSafetensorsHeader(bytes, bytes.byteLength, 'x')).toThrow(/"a" has the dtype F8_E4M3/);
  });
});

test('what opens checkpoints from bytes runs without Node', async () => {
  const entry = join(import.meta.dirname, '../../src/checkpoint/bytes.ts');
  const built = await build({ entryPoints: [entry], bundle: true, platform: 'browser', format: 'esm', write: false });
  expect(built.outputFiles[0]?.text).toContain('openSafetensors');
});

test('a tensor of the name __proto__ is a tensor like any other', async () => {
  const bytes = safetensorsBytes('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array([7]));
  const file = await openSafetensors(bytesSource(bytes, 'x'));
  expect(toNumbers(await file.read('__proto__'))).toEqual([7]);
});

test('a misspelt name is answered with the nearest one', async () => {
  const file = await openCheckpoint(reference);
  await expect(file.read('layer.flot32')).rejects.toThrow('The nearest name is "layer.float32".');
  await file.close();
});

describe('saving', () => {
  const tensors = ['a', 'b', 'c', 'd'].map((name, i) => [name, hostArray('f32', [4], [i, i, i, i])] as const);

  test('in shards keeps the order of tensors and writes the index of transformers', async () => {
    const folder = temporaryFolder();
    await saveCheckpoint(folder, tensors, { maxShardBytes: 40 });
    const index = readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8');
    expect(JSON.parse(index)).toEqual({
      metadata: { total_size: 64 },
      weight_map: {
        a: 'model-00001-of-00002.safetensors',
        b: 'model-00001-of-00002.safetensors',
        c: 'model-00002-of-00002.safetensors',
        d: 'model-00002-of-00002.safetensors',
      },
    });
    const file = await openCheckpoint(folder);
    for (const [name, array] of tensors) expect(await file.read(name)).toEqual(array);
    await file.close();
  });

  test('again removes the weights of the earlier save and nothing else', async () => {
    const folder = temporaryFolder({ 'config.json': {}, 'model-extra.safetensors': 'kept' });
    await saveCheckpoint(folder, tensors, { maxShardBytes: 16 });
    expect(readdirSync(folder)).toHaveLength(7);
    await saveCheckpoint(folder, tensors);
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model-extra.safetensors', 'model.safetensors']);
  });

  test('that fails over shards of an earlier save leaves nothing that passes for a whole one', async () => {
    const folder = temporaryFolder();
    await saveCheckpoint(folder, tensors, { maxShardBytes: 40 });
    const failing = tensors.map(([name, array], i) => {
      const read = () => (i < 2 ? Promise.resolve(array) : Promise.reject(new Error('source is gone')));
      return [name, { dtype: array.dtype, shape: array.shape, read }] as const;
    });
    await expect(saveCheckpoint(folder, failing, { maxShardBytes: 40 })).rejects.toThrow('source is gone');
    await expect(openCheckpoint(folder)).rejects.toThrow('2 weight files and none of the usual names');
  });

  test('fetches a lazy tensor only when its turn comes', async () => {
    const folder = temporaryFolder();
    const log: string[] = [];
    const lazy = tensors.map(([name, array]) => {
      const read = async () => {
        log.push(name);
        return array;
      };
      return [name, { dtype: array.dtype, shape: array.shape, read }] as const;
    });
    await saveCheckpoint(folder, lazy, { maxShardBytes: 16 });
    expect(log).toEqual(['a', 'b', 'c', 'd']);
  });

  test('that fails leaves the old file and no temporary one', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'model.safetensors');
    await writeSafetensors(file, tensors);
    const before = readFileSync(file);
    const failing = { dtype: 'f32', shape: [4], read: () => Promise.reject(new Error('source is gone')) } as const;
    await expect(writeSafetensors(file, [['a', failing]])).rejects.toThrow('source is gone');
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
  });

  test('two tensors of one name is refused', async () => {
    const twice = [tensors[0], tensors[0]] as typeof tensors;
    await expect(writeSafetensors(join(temporaryFolder(), 'x'), twice)).rejects.toThrow(
      'two tensors would be named "a"',
    );
  });
});

describe('a shard index', () => {
  const shard = (...names: string[]) =>
    safetensorsBytes(
      Object.fromEntries(names.map((name) => [name, { dtype: 'U8', shape: [0], data_offsets: [0, 0] }])),
    );

  test('that disagrees with its shards is told everything in one error', async () => {
    const folder = temporaryFolder({
      'one.safetensors': shard('a', 'moved', 'both'),
      'two.safetensors': shard('b', 'both', 'extra'),
      'bad.safetensors': 'not a checkpoint at all',
      'model.safetensors.index.json': {
        weight_map: {
          a: 'one.safetensors',
          b: 'two.safetensors',
          both: 'one.safetensors',
          moved: 'two.safetensors',
          lost: 'one.safetensors',
          c: 'missing.safetensors',
          d: 'bad.safetensors',
        },
      },
    });
    const error: Error = await openCheckpoint(folder).then(
      () => expect.unreachable(),
      (e: Error) => e,
    );
    for (const line of [
      '6 problems',
      'bad.safetensors: a header of',
      'missing.safetensors: no such file',
      'tensor "moved" is not in two.safetensors but in one.safetensors',
      'tensor "lost" is not in one.safetensors',
      'tensor "both" is in one.safetensors and in two.safetensors',
      'tensor "extra" in two.safetensors is not in the index',
    ]) {
      expect(error.message).toContain(line);
    }
  });

  test.each([
    '../a.safetensors',
    '/etc/a.safetensors',
    'sub/a.safetensors',
    'C:\\a.safetensors',
    '\\\\host\\a.safetensors',
    'a.safetensors\0',
    '.a.safetensors',
    'model.safetensors.index.json',
    'a.bin',
    '',
  ])('that names %j as a shard is refused before anything is opened', async (name) => {
    const folder = temporaryFolder({ 'model.safetensors.index.json': { weight_map: { a: name } } });
    await expect(openCheckpoint(folder)).rejects.toThrow(`${JSON.stringify(name)} is no shard`);
  });

  test('with a name twice is refused', async () => {
    const text = '{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}';
    const folder = temporaryFolder({ 'model.safetensors.index.json': text });
    await expect(openCheckpoint(folder)).rejects.toThrow('the key "a" stands twice');
  });

  test('whose shard is a link that leads back to itself is refused', async () => {
    const folder = temporaryFolder({ 'model.safetensors.index.json': { weight_map: { a: 'a.safetensors' } } });
    symlinkSync('a.safetensors', join(folder, 'a.safetensors'));
    await expect(openCheckpoint(folder)).rejects.toThrow('the symbolic links turn in a circle');
  });
});

describe('a folder', () => {
  test('with several weights and none of the usual names lists them', async () => {
    const folder = temporaryFolder({ 'x.safetensors': 'x', 'y.gguf': 'y' });
    await expect(openCheckpoint(folder)).rejects.toThrow('Name one of the files: x.safetensors, y.gguf.');
  });

  test('opens by the names of transformers, of diffusers, or its only file', async () => {
    for (const name of ['model', 'diffusion_pytorch_model', 'anything']) {
      const folder = temporaryFolder();
      await writeSafetensors(join(folder, `${name}.safetensors`), [['a', hostArray('f32', [1], [1])]]);
      const file = await openCheckpoint(folder);
      expect([...file.tensors.keys()]).toEqual(['a']);
      await file.close();
    }
  });
});

test.runIf(process.platform !== 'win32')('a device is not opened', async () => {
  await expect(openCheckpoint('/dev/zero')).rejects.toThrow('not a regular file');
});
