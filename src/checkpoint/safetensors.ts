/**
 * Reading safetensors: an 8-byte little-endian length, a JSON header, then the tensors' bytes without gaps.
 * The rules are those of the reference implementation, https://github.com/huggingface/safetensors (format section of its
 * README, `validate` in safetensors/src/tensor.rs): what it refuses is refused here, before any tensor is read.
 */
import { type DType, dtypes, QuintetError } from '../tensor/index.js';
import { JsonScanner, quoted } from './json-scanner.js';
import { cutOff } from './source.js';

/** The largest header that the reference implementation reads. */
export const largestHeader = 100_000_000;

/** No published tensor has more dimensions; NumPy allows 64. */
const largestRank = 64;

export const safetensorsDtypes = {
  BOOL: 'bool',
  U8: 'u8',
  I8: 'i8',
  I16: 'i16',
  U16: 'u16',
  F16: 'f16',
  BF16: 'bf16',
  I32: 'i32',
  U32: 'u32',
  F32: 'f32',
  F64: 'f64',
  I64: 'i64',
  U64: 'u64',
} as const satisfies Record<string, DType>;

export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte in the file, and the number of bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** The number of header bytes behind the first eight. `bytes` holds at least those eight; `fileSize` is the whole file's. */
export function safetensorsHeaderLength(bytes: Uint8Array, fileSize: number, at: string): number {
  if (fileSize < 8 || bytes.byteLength < 8) {
    throw new QuintetError('format', `${fileSize} bytes are no safetensors file: its header is missing`, { at });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(largestHeader)) {
    throw new QuintetError('limit', `a header of ${length} bytes; at most ${largestHeader} are read`, {
      at,
      hint: 'Is this a safetensors file?',
    });
  }
  if (length > BigInt(fileSize - 8)) {
    throw new QuintetError('format', `a header of ${length} bytes in a file of ${fileSize}`, {
      at,
      hint: cutOff,
    });
  }
  return Number(length);
}

/**
 * The tensors of a safetensors file of `fileSize` bytes. `bytes` holds the file's beginning, at least its length field and
 * header. Fails with 'format', 'limit' or 'unsupported' (a dtype without counterpart here).
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileSize: number, at: string): SafetensorsHeader {
  const length = safetensorsHeaderLength(bytes, fileSize, at);
  if (bytes.byteLength < 8 + length) {
    throw new QuintetError('format', `${bytes.byteLength} bytes hold only a part of the header`, { at });
  }
  const scanner = new JsonScanner(headerText(bytes.subarray(8, 8 + length), at), at);
  const file: File = { at, dataStart: 8 + length, size: fileSize };
  const metadata = new Map<string, string>();
  const entries: SafetensorsEntry[] = [];
  scanner.object((name) => {
    if (name === '__metadata__') scanner.object((key) => metadata.set(key, scanner.string()));
    else entries.push(readEntry(scanner, name, file));
  });
  scanner.end();
  entries.sort((a, b) => a.offset - b.offset || a.length - b.length);
  checkCoverage(entries, file);
  return { entries, metadata };
}

interface File {
  readonly at: string;
  /** The file's first byte behind the header, from which offsets count. */
  readonly dataStart: number;
  readonly size: number;
}

function headerText(bytes: Uint8Array, at: string): string {
  // The format demands it, so that no other format's magic number can stand in front (polyglot files).
  if (bytes[0] !== 0x7b) throw new QuintetError('format', 'the header does not begin with "{"', { at });
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new QuintetError('format', 'the header is not UTF-8', { at, cause });
  }
}

/** One `"name": {"dtype": …, "shape": …, "data_offsets": [begin, end]}`. */
function readEntry(scanner: JsonScanner, name: string, { at, dataStart }: File): SafetensorsEntry {
  let code: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const wholes = (limit: number): number[] => {
    const result: number[] = [];
    scanner.list(limit, () => result.push(scanner.whole()));
    return result;
  };
  scanner.object((key) => {
    if (key === 'dtype') code = scanner.string();
    else if (key === 'shape') shape = wholes(largestRank);
    else if (key === 'data_offsets') offsets = wholes(2);
    else scanner.skip();
  });
  const [begin, end] = offsets ?? [];
  if (code === undefined || shape === undefined || begin === undefined || end === undefined) {
    throw scanner.fail(`tensor ${quoted(name)} lacks its dtype, shape or data_offsets`);
  }
  if (!Object.hasOwn(safetensorsDtypes, code)) {
    throw new QuintetError('unsupported', `tensor ${quoted(name)} has the dtype ${code}`, {
      at,
      hint: `Known are ${Object.keys(safetensorsDtypes).join(', ')}.`,
    });
  }
  const dtype = safetensorsDtypes[code as keyof typeof safetensorsDtypes];
  let length: number = dtypes[dtype].bytes;
  for (const dim of shape) {
    length *= dim;
    if (!Number.isSafeInteger(length)) {
      throw new QuintetError('format', `tensor ${quoted(name)}: [${shape}] is too large`, { at });
    }
  }
  if (end - begin !== length) {
    const given = `data_offsets [${begin}, ${end}]`;
    throw new QuintetError('format', `tensor ${quoted(name)}: ${code} [${shape}] takes ${length} bytes, not ${given}`, {
      at,
    });
  }
  return { name, dtype, shape, offset: dataStart + begin, length };
}

/** Tensors in the order of their bytes must follow each other from the first data byte to the file's last. */
function checkCoverage(entries: readonly SafetensorsEntry[], { at, dataStart, size }: File): void {
  let end = dataStart;
  for (const { name, offset, length } of entries) {
    if (offset !== end) {
      const problem = offset < end ? 'overlaps the one before it' : 'leaves a gap before it';
      throw new QuintetError('format', `tensor ${quoted(name)} at byte ${offset} ${problem}, which ends at ${end}`, {
        at,
      });
    }
    end += length;
  }
  if (end !== size) {
    throw new QuintetError('format', `the tensors end at byte ${end} of a file of ${size} bytes`, {
      at,
      hint: end > size ? cutOff : 'The file has bytes of no tensor.',
    });
  }
}
