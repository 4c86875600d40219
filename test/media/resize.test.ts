import { describe, expect, test } from 'vitest';
import { plainPicture, resize } from '../../src/media/index.js';
import { bytesOf, reference } from './reference.js';

describe('resampling', () => {
  test.each(reference.resampling)('$filter from $from to $to equals Pillow in every level', (given) => {
    const [width, height] = given.from;
    const [toWidth, toHeight] = given.to;
    const source = { width, height, data: bytesOf(given.source) };
    const result = resize(source, { width: toWidth, height: toHeight }, { filter: given.filter });
    expect([result.width, result.height]).toEqual([toWidth, toHeight]);
    expect(result.data).toEqual(bytesOf(given.result));
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
