/** A GGUF file in parts, as llama.cpp's gguf-split makes them: the first one says all that is known of the model. */
import { openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { type GgufEntry, parseGgufHeader } from '../../src/checkpoint/gguf.js';

const alignment = 32;

/** Writes `stem`-00001-of-0000N.gguf and so on, none with tensors of more than `most` bytes; returns their names. */
export function splitGguf(file: string, stem: string, most: number): string[] {
  const { size } = statSync(file);
  const handle = openSync(file, 'r');
  const read = (from: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    readSync(handle, bytes, 0, length, from);
    return bytes;
  };
  const start = read(0, Math.min(size, 2 ** 24));
  const header = parseGgufHeader(start, size, file);
  if (!header) throw new Error(`${file} has a header of more than 16 MB`);
  const groups: GgufEntry[][] = [[]];
  for (const entry of header.entries) {
    const filled = (groups.at(-1) as GgufEntry[]).reduce((sum, { length }) => sum + length, 0);
    if (filled + entry.length > most && filled > 0) groups.push([]);
    (groups.at(-1) as GgufEntry[]).push(entry);
  }
  const pairs = start.subarray(24, start.indexOf(info(header.entries[0] as GgufEntry, start, 0).subarray(0, 24)));
  const count = Number(start.readBigUInt64LE(16));
  return groups.map((group, i) => {
    const name = `${stem}-${number(i + 1)}-of-${number(groups.length)}.gguf`;
    const own = Buffer.concat([
      pair('split.no', 2, i, 2),
      pair('split.count', 2, groups.length, 2),
      pair('split.tensors.count', 5, header.entries.length, 4),
    ]);
    let offset = 0;
    const infos = group.map((entry) => {
      const bytes = info(entry, start, offset);
      offset += aligned(entry.length);
      return bytes;
    });
    const begin = Buffer.alloc(24);
    begin.write('GGUF');
    begin.writeUInt32LE(3, 4);
    begin.writeBigUInt64LE(BigInt(group.length), 8);
    begin.writeBigUInt64LE(BigInt(3 + (i === 0 ? count : 0)), 16);
    const head = padded(Buffer.concat([begin, ...(i === 0 ? [pairs] : []), own, ...infos]));
    writeFileSync(name, Buffer.concat([head, ...group.map((entry) => padded(read(entry.offset, entry.length)))]));
    return name;
  });
}

const number = (value: number): string => String(value).padStart(5, '0');
const aligned = (length: number): number => Math.ceil(length / alignment) * alignment;
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function pair(key: string, type: number, value: number, width: number): Buffer {
  const tail = Buffer.alloc(4 + width);
  tail.writeUInt32LE(type);
  tail.writeUIntLE(value, 4, width);
  return Buffer.concat([text(key), tail]);
}

/** A tensor's line in the table of a file: its number of a type is copied, what stands behind is new. */
function info(entry: GgufEntry, start: Buffer, offset: number): Buffer {
  const name = text(entry.name);
  const found = start.indexOf(name, 24);
  const dimensions = start.readUInt32LE(found + name.length);
  const bytes = Buffer.from(start.subarray(found, found + name.length + 4 + 8 * dimensions + 4 + 8));
  bytes.writeBigUInt64LE(BigInt(offset), bytes.length - 8);
  return bytes;
}
