/** Writes PNG pictures without a decoder library's overhead: one filter, one chunk of pixels. */
import { crc32, deflateSync } from 'node:zlib';

import type { Picture } from './canvas.js';

const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);

/** A picture as PNG bytes, 8 bits a channel (PNG specification, second edition). */
export function encodePng({ width, height, channels, data }: Picture): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // eight bits, RGB
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(filterRows(data, width * channels, height), { level: 4 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Each byte less the one above it (filter 2), which suits smooth and flat pictures alike. */
function filterRows(data: Uint8Array, stride: number, height: number): Uint8Array {
  const filtered = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    filtered[y * (stride + 1)] = 2;
    for (let i = 0; i < stride; i++) {
      const above = y === 0 ? 0 : data[(y - 1) * stride + i]!;
      filtered[y * (stride + 1) + 1 + i] = data[y * stride + i]! - above;
    }
  }
  return filtered;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const result = Buffer.alloc(12 + data.length);
  result.writeUInt32BE(data.length, 0);
  result.write(type, 4, 'ascii');
  result.set(data, 8);
  result.writeUInt32BE(crc32(result.subarray(4, 8 + data.length)), 8 + data.length);
  return result;
}
