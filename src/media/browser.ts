/** PNG, JPEG and WebP through the browser's own decoder. */

import { QuintetError } from '../tensor/index.js';
import { damaged, type PictureHeader } from './header.js';
import { orient } from './orient.js';
import type { Picture } from './picture.js';

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
  return header.format === 'webp' ? orient(picture, header.orientation) : picture;
}

/** Through a texture, since a 2d canvas multiplies by alpha and so loses the colours of transparent pixels. [H, W, 4] */
function readPixels(bitmap: ImageBitmap, at: string): Uint8Array {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl || width > gl.getParameter(gl.MAX_TEXTURE_SIZE) || height > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    const hint = 'Scale the picture down, or pass a Picture instead of its file.';
    throw new QuintetError('unsupported', `this browser has no texture of ${width} x ${height} pixels`, { at, hint });
  }
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

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const result = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; to < result.length; from += 4, to += 3) {
    for (let c = 0; c < 3; c++) result[to + c] = rgba[from + c] as number;
  }
  return result;
}
