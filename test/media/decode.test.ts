import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodePicture, encodePng, loadPicture } from '../../src/media/index.js';
import { QuintetError } from '../../src/tensor/index.js';
import { processorTime } from '../processor-time.js';
import { bytesOf, fileOf, pathOf, reference } from './reference.js';

async function errorOf(promise: Promise<unknown>): Promise<QuintetError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuintetError);
  return error as QuintetError;
}

/** The bytes with `values` written over them from `offset` on. */
function overwritten(bytes: Uint8Array, offset: number, values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

describe('decoding', () => {
  test.each(reference.files)('$file equals Pillow in every level', async ({ file, width, height, rgb }) => {
    const picture = await decodePicture(fileOf(file));
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect(Uint8Array.from(picture.data)).toEqual(bytesOf(rgb));
  });

  test('a picture written as PNG reads back the same', async () => {
    const picture = await decodePicture(fileOf('444.jpg'));
    const again = await decodePicture(await encodePng(picture));
    expect(Uint8Array.from(again.data)).toEqual(Uint8Array.from(picture.data));
  });

  test('a header that promises too much is refused before it is decoded', async () => {
    // 4 GiB of pixels: were they decoded, the checksum of the header would be the complaint.
    const png = overwritten(fileOf('type2-8.png'), 16, [0, 0, 0xff, 0xff, 0, 0, 0x55, 0x55]);
    const gif = overwritten(fileOf('colours.gif'), 6, [0xff, 0xff, 0xff, 0xff]);
    const jpeg = fileOf('444.jpg');
    const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
    for (const bytes of [png, gif, overwritten(jpeg, frame + 5, [0xff, 0xff, 0xff, 0xff])]) {
      expect(await errorOf(decodePicture(bytes))).toMatchObject({ code: 'limit' });
    }
    expect((await errorOf(decodePicture(gif))).message).toContain('65535 x 65535 pixels; at most 32768 a side');
  });

  test('a bomb of 100 million zero pixels in 100 kB is refused in no time', async () => {
    const png = bombOf(10_000, 10_000);
    expect(png.length).toBeLessThan(400_000);
    const started = processorTime();
    expect(await errorOf(decodePicture(png))).toMatchObject({ code: 'limit' });
    expect(processorTime() - started).toBeLessThan(100);
  });

  test('a JPEG of very many scans is refused before it is decoded', async () => {
    const bytes = fileOf('progressive.jpg');
    expect((await decodePicture(bytes)).width).toBe(42);
    const scan = bytes.subarray(bytes.lastIndexOf(0xda) - 1, -2);
    const many = Buffer.concat([bytes.subarray(0, -2), ...Array<Uint8Array>(100).fill(scan), bytes.subarray(-2)]);
    expect((await errorOf(decodePicture(many))).message).toMatch(/1\d\d scans; at most 64 are read/);
  });

  test('limits are the caller’s to set', async () => {
    const bytes = fileOf('444.jpg'); // 42 x 30
    for (const limits of [{ bytes: 100 }, { side: 41 }, { pixels: 42 * 30 - 1 }]) {
      expect(await errorOf(decodePicture(bytes, { limits }))).toMatchObject({ code: 'limit' });
    }
    expect((await decodePicture(bytes, { limits: { side: 42, pixels: 42 * 30 } })).width).toBe(42);
  });

  test('a GIF frame that sticks out of its screen counts in full', async () => {
    const gif = fileOf('grey.gif');
    const frame = gif.indexOf(0x2c, 13 + 768);
    const wide = overwritten(gif, frame + 5, [0xff, 0xff, 0xff, 0xff]);
    expect(await errorOf(decodePicture(overwritten(gif, frame + 5, [43]), { limits: { side: 42 } }))).toMatchObject({
      code: 'limit',
    });
    expect(await errorOf(decodePicture(wide))).toMatchObject({ code: 'limit' });
  });

  test('foreign files are named by their first bytes, vector graphics among them', async () => {
    const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>');
    const error = await errorOf(decodePicture(svg, { at: 'logo.svg' }));
    expect(error.code).toBe('media');
    expect(error.message).toMatch(/^logo\.svg: not a PNG, JPEG, WebP or GIF picture \(it begins with 3c 73 76 67/);
    expect((await errorOf(decodePicture(new Uint8Array()))).message).toContain('it begins with nothing');
  });

  test('a truncated file says so and what to do', async () => {
    for (const name of ['444.jpg', 'type2-8.png', 'alpha.webp', 'colours.gif']) {
      const bytes = fileOf(name);
      const error = await errorOf(decodePicture(bytes.subarray(0, bytes.length - 60), { at: name }));
      expect(error.code).toBe('media');
      expect(error.message).toMatch(/truncated or damaged: fetch or export it again/);
    }
  });
});

describe('loading', () => {
  test('a path, a file URL, bytes and a data URL give the same picture', async () => {
    const bytes = fileOf('turned6.jpg');
    const path = fileURLToPath(pathOf('turned6.jpg'));
    const expected = (await decodePicture(bytes)).data;
    const dataUrl = `data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}`;
    for (const source of [bytes, path, pathOf('turned6.jpg').href, dataUrl]) {
      expect(Buffer.compare((await loadPicture(source)).data, expected)).toBe(0);
    }
  });

  test.each([
    ['https://example.com/a.png', 'unsupported', 'https://example.com/a.png: pictures are not fetched'],
    ['data:image/png;base64,%%%', 'media', 'a data: URL that does not decode'],
    ['data:image/png;base64,AAAA', 'media', 'not a PNG, JPEG, WebP or GIF'],
    ['no/such/picture.png', 'not-found', 'no/such/picture.png: no such picture'],
    ['/dev/zero', 'media', '/dev/zero: not a file'],
  ])('%s is refused with %s', async (source, code, message) => {
    const error = await errorOf(loadPicture(source));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  test('files and data URLs beyond the limit are not read', async () => {
    const limits = { bytes: 50 };
    expect((await errorOf(loadPicture(fileURLToPath(pathOf('444.jpg')), { limits }))).code).toBe('limit');
    expect((await errorOf(loadPicture(`data:image/png;base64,${'A'.repeat(2000)}`, { limits }))).code).toBe('limit');
  });
});

/** A PNG of black grey pixels, the checksums left out: it is refused before they matter. */
function bombOf(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, Buffer.from(type, 'latin1'), data, Buffer.alloc(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const pixels = deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', pixels)]);
}
