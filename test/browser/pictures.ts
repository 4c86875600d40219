/** What the test of pictures runs in a page. */
import { loadPicture, type Picture } from '../../src/browser.js';

/** The pixels of a picture at an address, by each way that a page has of giving it. */
export async function everyWay(address: string): Promise<Record<string, number[]>> {
  const blob = await (await fetch(address)).blob();
  const ways: Record<string, Picture> = {
    url: await loadPicture(new URL(address, location.href)),
    blob: await loadPicture(blob),
    bytes: await loadPicture(new Uint8Array(await blob.arrayBuffer())),
    bitmap: await loadPicture(await createImageBitmap(blob)),
  };
  return Object.fromEntries(Object.entries(ways).map(([way, picture]) => [way, pixels(picture)]));
}

/** The pixels of a picture, or the error's code, in a browser without textures. */
export async function withoutTextures(address: string): Promise<number[] | string> {
  const { getContext } = OffscreenCanvas.prototype;
  OffscreenCanvas.prototype.getContext = function (this: OffscreenCanvas, kind: never, options?: unknown) {
    return kind === 'webgl2' ? null : getContext.call(this, kind, options);
  } as typeof getContext;
  try {
    return pixels(await loadPicture(new URL(address, location.href)));
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    OffscreenCanvas.prototype.getContext = getContext;
  }
}

function pixels({ width, height, data }: Picture): number[] {
  return [width, height, ...data];
}
