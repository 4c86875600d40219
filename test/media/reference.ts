/** What `oracle/media.py` wrote: picture files, and the numbers that Pillow and transformers give for them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { decodePicture, type Picture, type Resampling } from '../../src/media/index.js';

const folder = new URL('../fixtures/media/', import.meta.url);

interface Reference {
  files: { file: string; width: number; height: number; rgb: string }[];
  resampling: { filter: Resampling; from: [number, number]; to: [number, number]; source: string; result: string }[];
  large: {
    resampling: { filter: Resampling; from: [number, number]; to: [number, number]; sha256: string }[];
    processed: { config: Record<string, unknown>; from: [number, number]; sha256: string };
  };
  processors: {
    config: Record<string, unknown>;
    pictures: string[][];
    grids?: [number, number][][];
    pixel_values: { shape: number[]; f32: string };
    pixel_attention_mask?: { shape: number[]; u8: string };
  }[];
}

export const reference = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Reference;

/** The bytes behind one deflated text of the reference. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(inflateSync(Buffer.from(text, 'base64')));
}

export function fileOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, folder)));
}

export function pathOf(name: string): URL {
  return new URL(name, folder);
}

export function pictureOf(name: string): Promise<Picture> {
  return decodePicture(fileOf(name));
}

/** The picture of that size which `oracle/media.py` computes as well. */
export function largePicture([width, height]: readonly [number, number]): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  return { width, height, data };
}

export function sha256(array: NodeJS.ArrayBufferView): string {
  return createHash('sha256').update(array).digest('hex');
}
