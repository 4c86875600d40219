/** Random access to the bytes of a checkpoint file, whether they lie on disk or in memory. No file system here. */

import { type InitializerSource, QuintetError } from '../tensor/index.js';

export interface ByteSource {
  /** Names the file in error messages. */
  readonly at: string;
  /** Its path, where it is a file on disk. */
  readonly file?: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`, in memory that the caller owns. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The same without waiting; for small ranges. */
  readNow(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** The place of a range, without reading it. */
  range(offset: number, length: number): InitializerSource;
  close(): Promise<void>;
}

/** The bytes of a file that is already in memory, as in a browser. */
export function bytesSource(bytes: Uint8Array, at: string): ByteSource {
  const readNow = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
    checkRange({ size: bytes.byteLength, at }, offset, length);
    return new Uint8Array(bytes.subarray(offset, offset + length));
  };
  return {
    at,
    size: bytes.byteLength,
    read: async (offset, length) => readNow(offset, length),
    readNow,
    range: (offset, length) => ({ bytes: bytes.subarray(offset, offset + length) }),
    close: async () => {},
  };
}

const windowBytes = 4096;

/** Windows spread evenly over a range, which tell contents apart that nobody reads as a whole; all of it where that is little. */
export function sample(
  source: Pick<ByteSource, 'read'>,
  { offset, length }: { readonly offset: number; readonly length: number },
  windows = 4,
): Promise<Uint8Array[]> {
  const count = Math.min(windows, Math.ceil(length / windowBytes));
  const starts = Array.from({ length: count }, (_, i) => Math.floor((length * i) / count));
  return Promise.all(starts.map((at) => source.read(offset + at, Math.min(windowBytes, length - at))));
}

export function checkRange({ size, at }: Pick<ByteSource, 'size' | 'at'>, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size) {
    throw new QuintetError('format', `bytes ${offset} to ${offset + length} lie outside a file of ${size}`, { at });
  }
}

/** What to do about a file that ends too soon. */
export const cutOff = 'The file is cut off: download or copy it again.';

/** A file's bytes as text. */
export function textOf(bytes: Uint8Array, at: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new QuintetError('format', 'the file is not UTF-8', { at, cause });
  }
}

/** Refuses a file of more than `limit` bytes. */
export function checkFileSize({ size, at }: Pick<ByteSource, 'size' | 'at'>, limit: number): void {
  if (size > limit) throw new QuintetError('limit', `${size} bytes; at most ${limit} are read`, { at });
}

/** Zeroed memory for `length` bytes; what one buffer cannot hold is refused by name. */
export function allocate(length: number, at: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(new ArrayBuffer(length));
  } catch (cause) {
    throw new QuintetError('limit', `${length} bytes do not fit into one buffer`, { at, cause });
  }
}
