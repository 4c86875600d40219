/** PNG, JPEG and WebP through the browser's own decoder. */

import { inTurns, QuintetError } from '../tensor/index.js';
import type { DecodeOptions } from './decode.js';
import { damaged, type PictureHeader } from './header.js';
import { orient } from './orient.js';
import { checkSize, type Picture, pictureLimits } from './picture.js';

export function inBrowser(): boolean {
  return typeof createImageBitmap === 'function' && typeof OffscreenCanvas === 'function';
}

/** The pixels of what a page has decoded or drawn itself; alpha is dropped. */
export function pictureOfBitmap(bitmap: ImageBitmap, { limits, at = 'bitmap' }: DecodeOptions = {}): Picture {
  checkSize(bitmap.width, bitmap.height, at, { ...pictureLimits, ...limits });
  return { width: bitmap.width, height: bitmap.height, data: withoutAlpha(readPixels(bitmap, at)) };
}

/** What an address holds. Throws QuintetError 'network' or 'not-found'. */
export async function fetchBlob(url: URL, at: string): Promise<Blob> {
  const response = await fetch(url).catch((cause: Error) => {
    const hint = 'A page may read from another host only where that host allows it (CORS).';
    throw new QuintetError('network', cause.message, { at, hint, cause });
  });
  if (!response.ok) throw new QuintetError('not-found', `the server answers with status ${response.status}`, { at });
  return response.blob();
}

/** Decodes what the header describes. Throws QuintetError 'media' where the browser cannot. */
export async function decodeInBrowser(bytes: Uint8Array, header: PictureHeader, at: string): Promise<Picture> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: `image/${header.format}` });
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: 'none',
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
  }).catch((error: unknown) => {
    throw damaged(`the browser cannot decode this ${header.format}: ${(error as Error).message}`, at, error);
  });
  const picture = { width: bitmap.width, height: bitmap.height, data: withoutAlpha(readPixels(bitmap, at)) };
  bitmap.close();
  // Browsers turn JPEG and PNG upright by themselves; Chromium leaves WebP as it is.
  return header.format === 'webp' ? inTurns(orient(picture, header.orientation)) : picture;
}

/** Through a texture, since a 2d canvas multiplies by alpha and so loses the colours of transparent pixels. [H, W, 4] */
function readPixels(bitmap: ImageBitmap, at: string): Uint8Array {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  const side = gl?.getParameter(gl.MAX_TEXTURE_SIZE) ?? 0;
  if (!gl || width > side || height > side) return readOpaquePixels(bitmap, at);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const rgba = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return rgba;
}

/** Where there is no texture of this size: a 2d canvas changes nothing of a picture without transparency. */
function readOpaquePixels(bitmap: ImageBitmap, at: string): Uint8Array {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  canvas?.drawImage(bitmap, 0, 0);
  const rgba = canvas?.getImageData(0, 0, width, height).data;
  if (rgba?.every((level, i) => i % 4 < 3 || level === 255)) return new Uint8Array(rgba.buffer);
  const hint = 'Scale the picture down, save it without transparency, or pass a Picture instead of its file.';
  throw new QuintetError('unsupported', `this browser has no texture of ${width} x ${height} pixels`, { at, hint });
}

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const result = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; to < result.length; from += 4, to += 3) {
    for (let c = 0; c < 3; c++) result[to + c] = rgba[from + c] as number;
  }
  return result;
}
