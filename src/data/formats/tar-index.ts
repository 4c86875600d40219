/**
 * Where the files within a tar archive begin, by its headers alone (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU long names).
 * Nothing is ever unpacked: names within the archive are names only.
 */
import type { FileHandle } from 'node:fs/promises';
import { QuintetError } from '../../tensor/index.js';
import { readBytes } from './file.js';

export interface TarMember {
  readonly name: string;
  /** Where its bytes begin, and how many there are. */
  readonly offset: number;
  readonly size: number;
}

const block = 512;
/** A header is read with what follows it: small members come many at a time. */
const windowBytes = 2 ** 14;
/** Far above any path. */
const longestName = 2 ** 16;

/** The regular files of an archive, in order. */
export async function* tarMembers(file: FileHandle, path: string): AsyncGenerator<TarMember> {
  const { size: total } = await file.stat();
  if (total < block) throw new QuintetError('format', 'not a tar archive', { at: path });
  const window = windowOver(file, total, path);
  let long: { name?: string; size?: number } = {};
  const cut = (within: string, where: string): QuintetError =>
    new QuintetError('format', `the archive ends within ${within}`, { at: where, hint: 'Download or copy it again' });
  // The zeros at its end may be missing, as other readers allow, but not a part of a block.
  for (let at = 0; at !== total; ) {
    const where = `${path}@${at}`;
    if (at + block > total) throw cut('a block', where);
    const header = readHeader(await window(at, block), where);
    if (!header) return;
    const regular = header.type === '0' || header.type === '7';
    const size = regular ? (long.size ?? header.size) : header.size;
    const offset = at + block;
    if (offset + size > total) throw cut(`"${header.name}"`, where);
    if (header.type === 'L' || header.type === 'x') {
      if (size > longestName) throw new QuintetError('limit', `a name of ${size} bytes`, { at: where });
      const text = new TextDecoder().decode(await window(offset, size));
      long = { ...long, ...(header.type === 'L' ? { name: text.replace(/\0.*$/s, '') } : paxOf(text)) };
    } else if (header.type === 'S') {
      throw new QuintetError('unsupported', 'an archive with sparse files', { at: where });
    } else {
      if (regular) yield { name: long.name ?? header.name, offset, size };
      if (header.type !== 'g' && header.type !== 'K') long = {};
    }
    at = offset + Math.ceil(size / block) * block;
  }
}

/** Reads places that mostly follow each other. */
function windowOver(file: FileHandle, total: number, path: string) {
  let bytes: Uint8Array = new Uint8Array(0);
  let from = 0;
  return async (start: number, length: number): Promise<Uint8Array> => {
    if (start < from || start + length > from + bytes.length) {
      bytes = await readBytes(file, start, Math.min(total, start + Math.max(length, windowBytes)), path);
      from = start;
    }
    return bytes.subarray(start - from, start - from + length);
  };
}

/** Undefined for the zeros that end an archive. */
function readHeader(bytes: Uint8Array, at: string) {
  if (bytes.every((byte) => byte === 0)) return undefined;
  const sum = bytes.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== numberAt(bytes, 148, 8)) throw new QuintetError('format', 'not a header of a tar archive', { at });
  const size = numberAt(bytes, 124, 12);
  if (!(Number.isSafeInteger(size) && size >= 0)) throw new QuintetError('format', 'a member without a size', { at });
  const type = textAt(bytes, 156, 1) || '0';
  const prefix = textAt(bytes, 257, 6) === 'ustar' ? textAt(bytes, 345, 155) : '';
  const name = textAt(bytes, 0, 100);
  // Links, devices and folders have no bytes, whatever their header says.
  return { name: prefix === '' ? name : `${prefix}/${name}`, size: /[1-6]/.test(type) ? 0 : size, type };
}

/** Whether a file begins with a header of a tar archive. */
export function looksLikeTar(start: Uint8Array): boolean {
  try {
    return start.length >= block && readHeader(start.subarray(0, block), '') !== undefined;
  } catch {
    return false;
  }
}

/** Octal digits, or GNU's big-endian number where the highest bit is set. */
function numberAt(bytes: Uint8Array, start: number, length: number): number {
  const field = bytes.subarray(start, start + length);
  if ((field[0] as number) & 0x80) {
    return field.reduce((value, byte, i) => value * 256 + (i === 0 ? byte & 0x7f : byte), 0);
  }
  const digits = textAt(bytes, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
}

function textAt(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Name and size of the next member, where a pax header gives them: lines of `length key=value`. */
function paxOf(text: string): { name?: string; size?: number } {
  const [, name] = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text) ?? [];
  const [, size] = /(?:^|\n)\d+ size=(\d+)\n/.exec(text) ?? [];
  return { ...(name === undefined ? {} : { name }), ...(size === undefined ? {} : { size: Number(size) }) };
}
