/**
 * Files that somebody has made to do harm, and files that have come to harm. Each must be refused with a QuintetError,
 * or where a change happens to leave a file valid be readable whole; within 5 s, and within 1 GB for all of them together.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  bytesSource,
  type Checkpoint,
  openCheckpoint,
  openGguf,
  openModelFolder,
  openSafetensors,
  openTorch,
  parseGgufHeader,
} from '../../src/checkpoint/index.js';
import { QuintetError, Random } from '../../src/tensor/index.js';
import { processorTime } from '../processor-time.js';
import { temporaryFolder } from '../temporary.js';
import { type GgufValue, ggufBytes } from './gguf-bytes.js';
import { safetensorsBytes } from './safetensors-bytes.js';

const fixture = (name: string) =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../fixtures/checkpoint', name)));
const safetensors = fixture('reference.safetensors');
const gguf = fixture('blocks.gguf');
const archive = fixture('torch.pth');
const pickles = fixture('torch-legacy.pth');

let started = 0;
beforeEach(() => {
  started = processorTime();
});
afterEach(() => {
  expect(processorTime() - started).toBeLessThan(5000);
  expect(process.resourceUsage().maxRSS).toBeLessThan(2 ** 20); // in kB
});

/** The outcome of opening a file and reading all of it. */
async function outcome(open: () => Promise<Checkpoint>): Promise<'read' | 'refused'> {
  try {
    const file = await open();
    try {
      for (const [name, tensor] of file.tensors) {
        await file.read(name);
        expect(tensor.source).toBeDefined();
      }
    } finally {
      await file.close();
    }
    return 'read';
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    return 'refused';
  }
}

const openers = { safetensors: openSafetensors, gguf: openGguf, archive: openTorch, pickles: openTorch };
const opened = (kind: keyof typeof openers, bytes: Uint8Array) => outcome(() => openers[kind](bytesSource(bytes, 'x')));

/** The bytes with a few of them changed: flipped bits, extreme values, a piece moved, taken out or repeated. */
function mutate(bytes: Uint8Array, region: number, random: Random): Uint8Array {
  const at = random.integer(region);
  const length = 1 + random.integer(16);
  const piece = bytes.subarray(at, at + length);
  const kind = random.integer(5);
  if (kind === 0) return bytes.subarray(0, at);
  if (kind === 1) return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
  if (kind === 2) return Uint8Array.from([...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)]);
  const copy = bytes.slice();
  if (kind === 3) copy.fill(random.pick([0, 0x30, 0x39, 0x7f, 0xff]), at, at + length);
  else for (let i = 0; i < 4; i++) copy[random.integer(region)] = random.integer(256);
  return copy;
}

describe('a thousand random changes', () => {
  test.each([
    ['safetensors', safetensors, 1200],
    ['gguf', gguf, 1900],
    ['archive', archive, archive.length],
    ['pickles', pickles, pickles.length],
  ] as const)('to the header of a %s file are refused or harmless', async (kind, bytes, region) => {
    const random = new Random(20240607);
    const seen = { read: 0, refused: 0 };
    for (let i = 0; i < 1000; i++) seen[await opened(kind, mutate(bytes, region, random))]++;
    // Of PyTorch's files half the bytes are padding and values.
    expect(seen.refused).toBeGreaterThan(kind === 'archive' || kind === 'pickles' ? 250 : 500);
  });

  test.each([
    ['safetensors', safetensors],
    ['gguf', gguf],
    ['archive', archive],
    ['pickles', pickles],
  ] as const)('a %s file cut off anywhere is refused', async (kind, bytes) => {
    for (let length = 0; length < bytes.length; length += length < 2000 ? 13 : 501) {
      // The last tensor's padding may be missing.
      if (length < bytes.length - 32)
        expect(await opened(kind, bytes.subarray(0, length)), `${length}`).toBe('refused');
    }
  });
});

test('a GGUF file that ends within its header says that it is cut off', () => {
  for (const length of [0, 3, 20, 24, 40, 100]) {
    const cut = gguf.subarray(0, length);
    expect(() => parseGgufHeader(cut, length, 'x')).toThrow('The file is cut off: download or copy it again.');
  }
});

describe('every number of a header replaced by an extreme one is refused:', () => {
  const extremes = [
    '-1',
    '1.5',
    '1e400',
    '18446744073709551615',
    '9007199254740993',
    '4294967296',
    'null',
    '"1"',
    '[]',
    '{}',
  ];
  test('in safetensors', async () => {
    const header =
      '{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[4],"data_offsets":[24,56]}}';
    const numbers = [...header.matchAll(/(?<=[[,])\d+/g)];
    expect(await opened('safetensors', safetensorsBytes(header, 56))).toBe('read');
    for (const { 0: number, index } of numbers) {
      for (const extreme of extremes) {
        const text = header.slice(0, index) + extreme + header.slice(index + number.length);
        expect(await opened('safetensors', safetensorsBytes(text, 56)), text).toBe('refused');
      }
    }
  });

  test('in GGUF', async () => {
    const bytes = ggufBytes([], [{ name: 'abc', shape: [2, 32], type: 2, bytes: new Uint8Array(36) }]);
    expect(await opened('gguf', bytes)).toBe('read');
    // Tensor count, pair count, length of the name, rank, two dimensions, type, offset.
    const places = [
      [8, 8],
      [16, 8],
      [24, 8],
      [35, 4],
      [39, 8],
      [47, 8],
      [55, 4],
      [59, 8],
    ] as const;
    for (const [at, width] of places) {
      for (const extreme of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 2n ** 32n, 2n ** 31n, 1000n]) {
        const changed = bytes.slice();
        const view = new DataView(changed.buffer);
        if (width === 8) view.setBigUint64(at, extreme, true);
        else view.setUint32(at, Number(BigInt.asUintN(32, extreme | 64n)), true);
        expect(await opened('gguf', changed), `${extreme} at ${at}`).toBe('refused');
      }
    }
  });
});

describe('a shard index', () => {
  const shard = safetensorsBytes({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }, 1);
  const valid = '{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00001.safetensors"}}';

  test('changed at random is refused or harmless', async () => {
    const folder = temporaryFolder({ 'model-00001-of-00001.safetensors': shard });
    const random = new Random(7);
    const seen = { read: 0, refused: 0 };
    for (let i = 0; i < 200; i++) {
      writeFileSync(
        join(folder, 'model.safetensors.index.json'),
        mutate(new TextEncoder().encode(valid), valid.length, random),
      );
      seen[await outcome(() => openCheckpoint(folder))]++;
    }
    expect(seen.refused).toBeGreaterThan(100);
  });

  test.each([
    ['is empty', ''],
    ['is a list', '[]'],
    ['has no map', '{"metadata":{}}'],
    ['has an empty map', '{"weight_map":{}}'],
    ['has a list for a map', '{"weight_map":["a"]}'],
    ['has numbers for names', '{"weight_map":{"a":1}}'],
    ['names itself', '{"weight_map":{"a":"model.safetensors.index.json"}}'],
    ['has two maps', `{"weight_map":{"b":"x.safetensors"},${valid.slice(1)}`],
    ['is nested without end', `{"metadata":${'['.repeat(100_000)}`],
    [
      'names ten thousand shards',
      JSON.stringify({
        weight_map: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`${i}`, `${i}.safetensors`])),
      }),
    ],
    ['is not whole', valid.slice(0, -2)],
  ])('that %s is refused', async (_, text) => {
    const folder = temporaryFolder({ 'model.safetensors.index.json': text, 'model-00001-of-00001.safetensors': shard });
    expect(await outcome(() => openCheckpoint(folder))).toBe('refused');
  });
});

describe('a large header that costs its sender little', () => {
  const size = 20_000_000;
  const filled = (unit: string) => unit.repeat(Math.floor(size / unit.length));
  const numbered = (count: number, entry: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => entry(i)).join(',');
  const list = (type: number, item: number[]): GgufValue => {
    const count = Math.floor(size / item.length);
    const bytes = new Uint8Array(12 + count * item.length);
    new DataView(bytes.buffer).setUint32(0, type, true);
    new DataView(bytes.buffer).setBigUint64(4, BigInt(count), true);
    for (let i = 0; i < count; i++) bytes.set(item, 12 + i * item.length);
    return { type: 9, bytes };
  };
  test.each<[string, () => Uint8Array]>([
    ['a list of zeros', () => safetensorsBytes(`{"a":{"x":[${filled('0,')}0]}}`)],
    ['a shape of zeros', () => safetensorsBytes(`{"a":{"shape":[${filled('0,')}0]}}`)],
    ['empty objects', () => safetensorsBytes(`{${filled('"a":{},')}"b":{}}`)],
    ['one long name', () => safetensorsBytes(`{"${filled('\\n')}":{}}`)],
    ['nesting', () => safetensorsBytes(`{"a":{"x":${filled('[')}`)],
    ['white space', () => safetensorsBytes(`{${filled(' ')}`)],
    [
      'a million keys of metadata',
      () => safetensorsBytes(`{"__metadata__":{${numbered(1_000_000, (i) => `"${i}":""`)}}}`),
    ],
    ['a million fields', () => safetensorsBytes(`{"a":{${numbered(1_000_000, (i) => `"${i}":0`)}}}`)],
    [
      '300,000 tensors',
      () => safetensorsBytes(`{${numbered(300_000, (i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`)}}`),
    ],
  ])('is refused in safetensors: %s', async (_, make) => {
    const bytes = make();
    started = processorTime();
    expect(await opened('safetensors', bytes)).toBe('refused');
  });

  test.each<[string, GgufValue]>([
    ['more texts than bytes for them', list(8, [0, 0, 0, 0])],
    ['lists', list(9, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ['flags', list(7, [1])],
  ])('is refused in GGUF: %s', async (_, value) => {
    expect(await opened('gguf', ggufBytes([['k', value]], []))).toBe('refused');
  });

  test.each<[string, string]>([
    ['a list of zeros', `{"a":[${filled('0,').slice(0, 2 ** 24 - 100)}0]}`],
    ['empty objects', `{"a":[${filled('{},').slice(0, 2 ** 24 - 100)}0]}`],
    ['nesting', filled('[').slice(0, 2 ** 24)],
    ['one byte too many', ' '.repeat(2 ** 24 + 1)],
  ])('is refused in a config.json: %s', async (_, text) => {
    const folder = temporaryFolder({ 'config.json': text });
    await expect(openModelFolder(folder)).rejects.toBeInstanceOf(QuintetError);
  });
});
