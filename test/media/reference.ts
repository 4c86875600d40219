/** What `oracle/media.py` wrote: picture files, and the numbers that Pillow and transformers give for them. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { decodePicture, type Picture, type Resampling } from '../../src/media/index.js';

const folder = new URL('../fixtures/media/', import.meta.url);

interface Reference {
  files: { file: string; width: number; height: number; rgb: string }[];
  resampling: { filter: Resampling; from: [number, number]; to: [number, number]; source: string; result: string }[];
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
