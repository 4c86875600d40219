import { describe, expect, test } from 'vitest';
import { plainPicture, resize } from '../../src/media/index.js';
import { crop } from '../../src/media/picture.js';
import { bytesOf, largePicture, reference, sha256 } from './reference.js';

describe('resampling', () => {
  test.each(reference.resampling)('$filter from $from to $to equals Pillow in every level', (given) => {
    const [width, height] = given.from;
    const [toWidth, toHeight] = given.to;
    const source = { width, height, data: bytesOf(given.source) };
    const result = resize(source, { width: toWidth, height: toHeight }, { filter: given.filter });
    expect([result.width, result.height]).toEqual([toWidth, toHeight]);
    expect(result.data).toEqual(bytesOf(given.result));
  });

  test.each(reference.large.resampling)('$filter from $from to $to equals Pillow, block by block', (given) => {
    const [width, height] = given.to;
    expect(sha256(resize(largePicture(given.from), { width, height }, { filter: given.filter }).data)).toBe(
      given.sha256,
    );
  });

  test.each([
    { from: [301, 200], to: [97, 121] },
    { from: [90, 400], to: [80, 60] }, // columns go first
    { from: [150, 90], to: [150, 33] },
    { from: [40, 30], to: [170, 30] },
    { from: [120, 80], to: [120, 80] },
  ] as const)('a part of $from to $to is that part of the whole', ({ from, to: [width, height] }) => {
    const source = largePicture(from);
    for (const filter of ['nearest', 'bicubic'] as const) {
      const whole = resize(source, { width, height }, { filter });
      for (const region of [
        { left: 7, top: 5, width: 33, height: 17 },
        { left: 0, top: 9, width, height: 1 },
        { left: width - 1, top: 0, width: 1, height },
      ]) {
        const part = resize(source, { width, height }, { filter, region });
        expect([part.width, part.height]).toEqual([region.width, region.height]);
        expect(part.data).toEqual(crop(whole, region).data);
        const at = (x: number, y: number): number[] =>
          [0, 1, 2].map((c) => whole.data[(y * width + x) * 3 + c] as number);
        expect([...part.data.slice(0, 3)]).toEqual(at(region.left, region.top));
      }
    }
  });

  test('every filter keeps a plain colour plain, enlarging and shrinking', () => {
    for (const filter of ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const) {
      for (const edge of [3, 50]) {
        const result = resize(plainPicture(13, 13, [7, 130, 250]), { width: edge, height: edge }, { filter });
        expect(result.data).toEqual(plainPicture(edge, edge, [7, 130, 250]).data);
      }
    }
  });

  test('a strip whose shorter edge is enlarged is refused before it fills the memory', () => {
    const strip = plainPicture(1, 16384);
    expect(() => resize(strip, { width: 224, height: 224 * 16384 })).toThrow(/1 x 16384 pixels to 224 x 3670016/);
  });
});
