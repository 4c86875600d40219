/** Pictures from where a request names them: bytes, a file, or a data: URL. Nothing is fetched from a network. */

import { QuintetError } from '../tensor/index.js';
import { type DecodeOptions, decodePicture } from './decode.js';
import { type Picture, pictureLimits } from './picture.js';

/**
 * The picture of a file's bytes, a path (Node only) or a data: URL. Throws QuintetError 'not-found' for a missing file,
 * 'unsupported' for a network address, and what `decodePicture` throws.
 */
export async function loadPicture(source: string | Uint8Array, options: DecodeOptions = {}): Promise<Picture> {
  if (typeof source !== 'string') return decodePicture(source, options);
  const most = options.limits?.bytes ?? pictureLimits.bytes;
  if (/^data:/i.test(source)) {
    const at = options.at ?? `${source.slice(0, 30)}…`;
    return decodePicture(await readDataUrl(source, most, at), { ...options, at });
  }
  const at = options.at ?? source;
  if (/^[a-z]+:\/\//i.test(source) && !/^file:/i.test(source)) {
    const hint = 'Download it and give its path, its bytes or a data: URL.';
    throw new QuintetError('unsupported', 'pictures are not fetched from addresses', { at, hint });
  }
  return decodePicture(await readFileWithin(source, most, at), { ...options, at });
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

async function readFileWithin(source: string, most: number, at: string): Promise<Uint8Array> {
  const { readFile, stat } = await import('node:fs/promises');
  const path = /^file:/i.test(source) ? new URL(source) : source;
  try {
    const found = await stat(path);
    // Devices and pipes have no size to check and may never end.
    if (!found.isFile()) throw new QuintetError('media', 'not a file', { at });
    if (found.size > most) throw new QuintetError('limit', `${found.size} bytes; at most ${most} are read`, { at });
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof QuintetError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new QuintetError('not-found', 'no such picture', { at, cause });
    throw new QuintetError('io', message, { at, cause });
  }
}
