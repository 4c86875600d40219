/**
 * Pictures as records have them: a path, bytes, a data: URL, or the record `{bytes, path}` by which Hugging Face's `datasets`
 * keep pictures in Parquet (https://huggingface.co/docs/hub/datasets-image).
 */
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Fields, fields } from '../tensor/index.js';
import { dataError, type PictureData } from './sample.js';

/** Fields that hold a picture, or a list of them, and fields that name files. */
export const pictureFields = ['image', 'images', 'file_name', 'file_names', 'image_path', 'filepath'] as const;

/** The pictures of a record, in order. */
export function readPictures(record: Fields): PictureData[] {
  const name = pictureFields.find((name) => record.has(name));
  if (name === undefined) return [];
  const value = record.raw[name];
  if (!Array.isArray(value)) return [readPicture(value, `${record.at}: ${name}`)];
  return value.map((item, i) => readPicture(item, `${record.at}: ${name}[${i}]`));
}

/** One picture as a field has it. */
export function readPicture(value: unknown, at: string): PictureData {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  const picture = fields(value, at);
  const { bytes } = picture.raw;
  return bytes instanceof Uint8Array ? bytes : picture.text('path');
}

/** Where the bytes of a picture that is written out begin. */
const dataUrl = /^data:image\/[\w.+-]+;base64,/i;

export const isDataUrl = (written: string): boolean => dataUrl.test(written);

/** A picture as a sample has it: bytes, or an absolute path that lies within `root`. A data file names no other file. */
export function placePicture(written: PictureData, root: string, at: string): PictureData {
  if (typeof written !== 'string') return written;
  const [head] = dataUrl.exec(written) ?? [];
  return head === undefined ? picturePath(written, root, at) : Buffer.from(written.slice(head.length), 'base64');
}

function picturePath(written: string, root: string, at: string): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(written) && !written.startsWith('file:')) {
    const shown = written.length > 60 ? `${written.slice(0, 60)}…` : written;
    throw dataError(at, `the picture "${shown}" is not a local file`, 'Download pictures first and give their paths');
  }
  const path = resolve(root, written.startsWith('file:') ? pathOfUrl(written, at) : written);
  const inside = relative(root, path);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw dataError(
      at,
      `the picture "${written}" is outside ${root}`,
      'Name the folder that the pictures are in: `pictures` in a run file',
    );
  }
  return path;
}

function pathOfUrl(url: string, at: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw dataError(at, `"${url}" is not the address of a file: ${(error as Error).message}`);
  }
}
