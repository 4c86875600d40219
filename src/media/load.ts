/** Pictures from where a request or a page names them. An address in a text is never fetched from a network. */

import { QuintetError } from '../tensor/index.js';
import { fetchBlob, inBrowser, pictureOfBitmap } from './browser.js';
import { type DecodeOptions, decodePicture } from './decode.js';
import { type Picture, pictureLimits } from './picture.js';

/** A path (Node only) or a data: URL; a file's bytes, or the file; in a browser also a bitmap, and a `URL` to fetch. */
export type PictureSource = string | Uint8Array | Blob | ImageBitmap | URL;

/**
 * The picture of a source. Throws QuintetError 'not-found' for a missing file, 'unsupported' for what this platform does not
 * read, 'network' where nothing answers, and what `decodePicture` throws.
 */
export async function loadPicture(source: PictureSource, options: DecodeOptions = {}): Promise<Picture> {
  if (source instanceof Uint8Array) return decodePicture(source, options);
  const most = options.limits?.bytes ?? pictureLimits.bytes;
  if (source instanceof Blob) {
    const at = options.at ?? ('name' in source ? String(source.name) : 'picture');
    return decodePicture(await readBlob(source, most, at), { ...options, at });
  }
  if (isBitmap(source)) return pictureOfBitmap(source, options);
  const address = String(source);
  if (/^data:/i.test(address)) {
    const at = options.at ?? `${address.slice(0, 30)}…`;
    return decodePicture(await readDataUrl(address, most, at), { ...options, at });
  }
  const at = options.at ?? address;
  if (inBrowser() && source instanceof URL) {
    return decodePicture(await readBlob(await fetchBlob(source, at), most, at), { ...options, at });
  }
  return decodePicture(await readPath(address, most, at), { ...options, at });
}

function isBitmap(source: PictureSource): source is ImageBitmap {
  return typeof ImageBitmap === 'function' && source instanceof ImageBitmap;
}

async function readBlob(blob: Blob, most: number, at: string): Promise<Uint8Array> {
  if (blob.size > most) throw new QuintetError('limit', `${blob.size} bytes; at most ${most} are read`, { at });
  return new Uint8Array(await blob.arrayBuffer());
}

async function readPath(path: string, most: number, at: string): Promise<Uint8Array> {
  if (/^[a-z]+:\/\//i.test(path) && !/^file:/i.test(path)) {
    const hint = 'Download it and give its path, its bytes or a data: URL.';
    throw new QuintetError('unsupported', 'pictures are not fetched from addresses', { at, hint });
  }
  if (inBrowser()) {
    const hint = 'Give the file itself, its bytes, or a URL object.';
    throw new QuintetError('unsupported', 'a browser opens no paths', { at, hint });
  }
  const { readFileWithin } = await import('./node.js');
  return readFileWithin(path, most, at);
}

async function readDataUrl(url: string, most: number, at: string): Promise<Uint8Array> {
  // Percent-encoding takes three characters a byte, base64 fewer.
  if (url.length > most * 3 + 1024) {
    throw new QuintetError('limit', `a data: URL of ${url.length} characters; at most ${most} bytes are read`, { at });
  }
  try {
    return new Uint8Array(await (await fetch(url)).arrayBuffer());
  } catch (cause) {
    const hint = 'Expected data:image/png;base64, and then base64 text.';
    throw new QuintetError('media', 'a data: URL that does not decode', { at, hint, cause });
  }
}
