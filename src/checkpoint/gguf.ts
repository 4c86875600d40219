/**
 * Reading GGUF, versions 2 and 3: key-value pairs, the table of tensors, then their bytes. The format is described at
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what `gguf_init_from_file` refuses is refused here, and every
 * count is held against the bytes that are left before anything is reserved for it.
 */
import { type DType, dtypes, type HostData, QuintetError } from '../tensor/index.js';
import { ggufTypes, isQuantised, otherGgufTypes, type QuantisedType, quantisedTypes } from './gguf-types.js';
import { quoted } from './json-scanner.js';
import { cutOff } from './source.js';

export interface GgufEntry {
  readonly name: string;
  readonly type: DType | QuantisedType;
  /** Outermost first: the reverse of how GGUF writes it. */
  readonly shape: readonly number[];
  /** First byte in the file, and the number of bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface GgufHeader {
  /** In the order of their bytes. */
  readonly entries: readonly GgufEntry[];
  /** Numbers (64-bit ones beyond 2^53 as bigint), texts, flags, typed arrays of numbers, lists of texts or of lists. */
  readonly metadata: ReadonlyMap<string, unknown>;
}

/** Vocabularies make headers of some 20 MB. */
export const largestGgufHeader = 2 ** 27;

/** The largest vocabularies have a quarter of a million tokens and half a million merges: `items` leaves room for eight times that. */
const limits = { key: 65_535, name: 1024, dimensions: 4, nesting: 4, alignment: 2 ** 20, items: 2 ** 22 } as const;

/** What a list, a tensor and a key-value pair cost in items: they are larger than a text of a vocabulary. */
const costs = { list: 32, tensor: 16, pair: 8 } as const;

/** Thrown within this file where the given bytes end before the header does. */
const needsMore = Symbol('more bytes are needed');

/**
 * The header of a GGUF file of `fileSize` bytes, of which `bytes` is the beginning; undefined where the header goes on
 * behind them, so that the caller tries again with more. Fails with 'format', 'limit' or 'unsupported'.
 */
export function parseGgufHeader(bytes: Uint8Array, fileSize: number, at: string): GgufHeader | undefined {
  try {
    return readHeader(cursorOver(bytes, fileSize, at), fileSize, at);
  } catch (error) {
    if (error === needsMore) return undefined;
    throw error;
  }
}

interface Cursor {
  readonly position: () => number;
  /** Bytes of the file behind the cursor, whether given or not. */
  readonly left: () => number;
  /** The next bytes as a view. */
  take(length: number): Uint8Array;
  u32(): number;
  /** A 64-bit count or offset; beyond 2^53 it cannot fit any file. */
  size(): number;
  text(limit: number): string;
  /** Counts what is built from the file, so that few bytes cannot become many objects. */
  spend(items: number): void;
  fail(message: string, hint?: string): QuintetError;
}

function cursorOver(bytes: Uint8Array, fileSize: number, at: string): Cursor {
  // A token may begin with U+FEFF.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;
  let items = 0;
  const fail = (message: string, hint?: string): QuintetError =>
    new QuintetError('format', `${message} at byte ${position}`, hint === undefined ? { at } : { at, hint });
  /** Moves on by so many bytes and says where they begin. */
  const advance = (length: number): number => {
    const left = fileSize - position;
    if (length > left) throw fail(`${length} bytes announced where the file has ${left}`, cutOff);
    if (position + length > bytes.byteLength) {
      if (position + length <= largestGgufHeader) throw needsMore;
      throw new QuintetError('limit', `a header of more than ${largestGgufHeader} bytes`, { at });
    }
    position += length;
    return position - length;
  };
  const take = (length: number): Uint8Array => {
    const start = advance(length);
    return bytes.subarray(start, start + length);
  };
  const size = (): number => {
    const start = advance(8);
    const value = view.getUint32(start + 4, true) * 2 ** 32 + view.getUint32(start, true);
    if (!Number.isSafeInteger(value)) throw fail(`a count of ${value}`);
    return value;
  };
  return {
    position: () => position,
    left: () => fileSize - position,
    take,
    u32: () => view.getUint32(advance(4), true),
    size,
    text: (limit) => {
      const length = size();
      if (length > limit) throw fail(`a text of ${length} bytes; at most ${limit} are read`);
      return decoder.decode(take(length));
    },
    spend: (more) => {
      items += more;
      if (items > limits.items) throw new QuintetError('limit', `a header of more than ${limits.items} items`, { at });
    },
    fail,
  };
}

function readHeader(cursor: Cursor, fileSize: number, at: string): GgufHeader {
  checkVersion(cursor, at);
  const tensorCount = cursor.size();
  const pairCount = cursor.size();
  // The shortest tensor entry takes 24 bytes, the shortest pair 13.
  if (tensorCount * 24 + pairCount * 13 > cursor.left()) {
    throw cursor.fail(`${tensorCount} tensors and ${pairCount} key-value pairs announced in ${fileSize} bytes`, cutOff);
  }
  const metadata = new Map<string, unknown>();
  for (let i = 0; i < pairCount; i++) {
    cursor.spend(costs.pair);
    const key = cursor.text(limits.key);
    if (key === '' || metadata.has(key)) throw cursor.fail(`the key ${quoted(key)} is empty or stands twice`);
    metadata.set(key, readValue(cursor, cursor.u32(), 0));
  }
  const alignment = alignmentOf(metadata, at);
  const entries: GgufEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    cursor.spend(costs.tensor);
    const entry = readEntry(cursor, at);
    if (names.has(entry.name)) throw cursor.fail(`the tensor ${quoted(entry.name)} stands twice`);
    names.add(entry.name);
    entries.push(entry);
  }
  return {
    entries: place(entries, { at, dataStart: align(cursor.position(), alignment), alignment, size: fileSize }),
    metadata,
  };
}

function checkVersion(cursor: Cursor, at: string): void {
  const magic = cursor.u32();
  if (magic !== 0x46554747) throw new QuintetError('format', 'no GGUF file: it does not begin with "GGUF"', { at });
  const version = cursor.u32();
  if (version === 2 || version === 3) return;
  const kind = (version & 0xffff) === 0 ? 'a big-endian file' : `version ${version}`;
  throw new QuintetError('unsupported', `${kind} of GGUF; versions 2 and 3, little-endian, are read`, {
    at,
    hint: 'Convert the model again with a current llama.cpp.',
  });
}

/** Each type of number: its width in bytes and the array that holds several. */
const numberTypes: ReadonlyMap<number, readonly [width: number, over: (buffer: ArrayBuffer) => HostData]> = new Map([
  [0, [1, (buffer) => new Uint8Array(buffer)]],
  [1, [1, (buffer) => new Int8Array(buffer)]],
  [2, [2, (buffer) => new Uint16Array(buffer)]],
  [3, [2, (buffer) => new Int16Array(buffer)]],
  [4, [4, (buffer) => new Uint32Array(buffer)]],
  [5, [4, (buffer) => new Int32Array(buffer)]],
  [6, [4, (buffer) => new Float32Array(buffer)]],
  [10, [8, (buffer) => new BigUint64Array(buffer)]],
  [11, [8, (buffer) => new BigInt64Array(buffer)]],
  [12, [8, (buffer) => new Float64Array(buffer)]],
]);
const flagType = 7;
const textType = 8;
const listType = 9;

function readValue(cursor: Cursor, type: number, depth: number): unknown {
  if (type === textType) return cursor.text(largestGgufHeader);
  if (type === listType) return readList(cursor, depth);
  if (type === flagType) return readFlag(cursor);
  const value = readNumbers(cursor, type, 1)[0];
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function readList(cursor: Cursor, depth: number): unknown {
  if (depth === limits.nesting) throw cursor.fail(`lists nested deeper than ${limits.nesting}`);
  cursor.spend(costs.list);
  const type = cursor.u32();
  const count = cursor.size();
  if (numberTypes.has(type)) return readNumbers(cursor, type, count);
  // A text takes at least its length of 8 bytes, a list its type and count of 12, a flag one.
  const smallest = type === textType ? 8 : type === listType ? 12 : 1;
  if (count * smallest > cursor.left())
    throw cursor.fail(`a list of ${count} items where ${cursor.left()} bytes are left`);
  cursor.spend(count);
  const items: unknown[] = [];
  for (let i = 0; i < count; i++) items.push(readValue(cursor, type, depth + 1));
  return items;
}

function readFlag(cursor: Cursor): boolean {
  const value = cursor.take(1)[0] as number;
  if (value > 1) throw cursor.fail(`a flag of ${value}`);
  return value === 1;
}

function readNumbers(cursor: Cursor, type: number, count: number): HostData {
  const [width, over] = numberTypes.get(type) ?? [];
  if (width === undefined || over === undefined) throw cursor.fail(`a value of the unknown type ${type}`);
  return over(cursor.take(count * width).slice().buffer as ArrayBuffer);
}

function alignmentOf(metadata: ReadonlyMap<string, unknown>, at: string): number {
  const found = metadata.get('general.alignment') ?? 32;
  if (typeof found === 'number' && found >= 1 && found <= limits.alignment && Number.isInteger(Math.log2(found)))
    return found;
  throw new QuintetError('format', `general.alignment: expected a power of two up to ${limits.alignment}`, { at });
}

function align(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}

/** One entry of the table; its offset still counts from the first data byte. */
function readEntry(cursor: Cursor, at: string): GgufEntry {
  const name = cursor.text(limits.name);
  const rank = cursor.u32();
  if (rank > limits.dimensions) throw cursor.fail(`tensor ${quoted(name)} has ${rank} dimensions`);
  const shape = Array.from({ length: rank }, () => cursor.size()).reverse();
  const number = cursor.u32();
  const offset = cursor.size();
  const type = ggufTypes.get(number);
  if (type === undefined) {
    const known = [...ggufTypes.values()].join(', ');
    const called = otherGgufTypes[number] ?? `number ${number}`;
    throw new QuintetError('unsupported', `tensor ${quoted(name)} has the type ${called}`, {
      at,
      hint: `Known are ${known}.`,
    });
  }
  return { name, type, shape, offset, length: lengthOf(cursor, { name, type, shape }) };
}

function lengthOf(cursor: Cursor, { name, type, shape }: Pick<GgufEntry, 'name' | 'type' | 'shape'>): number {
  let values = 1;
  for (const dim of shape) {
    values *= dim;
    if (values * 8 > Number.MAX_SAFE_INTEGER) throw cursor.fail(`tensor ${quoted(name)}: [${shape}] is too large`);
  }
  if (!isQuantised(type)) return values * dtypes[type].bytes;
  const block = quantisedTypes[type];
  if ((shape.at(-1) ?? 1) % block.values !== 0) {
    throw cursor.fail(
      `tensor ${quoted(name)}: rows of ${shape.at(-1)} are no whole blocks of ${type} (${block.values})`,
    );
  }
  return (values / block.values) * block.bytes;
}

interface File {
  readonly at: string;
  /** The file's first byte of tensors, from which offsets count. */
  readonly dataStart: number;
  readonly alignment: number;
  readonly size: number;
}

/** Tensors follow each other without gaps, each padded to the alignment; none may reach beyond the file. */
function place(entries: readonly GgufEntry[], { at, dataStart, alignment, size }: File): GgufEntry[] {
  let expected = 0;
  return entries.map((entry) => {
    if (entry.offset !== expected) {
      const message = `tensor ${quoted(entry.name)} is said to begin at ${entry.offset}, the one before it ends at ${expected}`;
      throw new QuintetError('format', message, { at });
    }
    const offset = dataStart + expected;
    if (offset + entry.length > size) {
      const end = offset + entry.length;
      throw new QuintetError('format', `tensor ${quoted(entry.name)} ends at byte ${end} of a file of ${size}`, {
        at,
        hint: cutOff,
      });
    }
    expected = align(expected + entry.length, alignment);
    return { ...entry, offset };
  });
}
