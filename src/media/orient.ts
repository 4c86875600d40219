/** Turning pictures upright by their EXIF orientation. */

import { type InParts, portions } from '../tensor/index.js';
import { bytesAtOnce, type Picture } from './picture.js';

/** For each orientation, whether an upright pixel (x, y) comes from (y, x), and from which ends those count. */
const orientations = [
  { swap: false, fromRight: false, fromBottom: false },
  { swap: false, fromRight: true, fromBottom: false },
  { swap: false, fromRight: true, fromBottom: true },
  { swap: false, fromRight: false, fromBottom: true },
  { swap: true, fromRight: false, fromBottom: false },
  { swap: true, fromRight: false, fromBottom: true },
  { swap: true, fromRight: true, fromBottom: true },
  { swap: true, fromRight: true, fromBottom: false },
] as const;

/** The upright picture of one stored with an EXIF orientation (1 to 8; Pillow's exif_transpose). */
export function* orient(picture: Picture, orientation: number): InParts<Picture> {
  const rule = orientations[orientation - 1];
  if (rule === undefined || orientation === 1) return picture;
  const { width, height, data } = picture;
  const [toWidth, toHeight] = rule.swap ? [height, width] : [width, height];
  const result = new Uint8Array(data.length);
  const isPartDone = portions(bytesAtOnce);
  for (let y = 0, target = 0; y < toHeight; y++) {
    if (isPartDone(3 * toWidth)) yield;
    for (let x = 0; x < toWidth; x++, target += 3) {
      const [across, down] = rule.swap ? [y, x] : [x, y];
      const column = rule.fromRight ? width - 1 - across : across;
      const row = rule.fromBottom ? height - 1 - down : down;
      const source = (row * width + column) * 3;
      result[target] = data[source] as number;
      result[target + 1] = data[source + 1] as number;
      result[target + 2] = data[source + 2] as number;
    }
  }
  return { width: toWidth, height: toHeight, data: result };
}
