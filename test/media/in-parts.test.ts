/** Pictures processed in parts: the same pixels, whatever is processed between the parts. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type ImageProcessor,
  imageProcessor,
  type Picture,
  type Pixels,
  pictureKey,
  pictureKeyInParts,
  resize,
} from '../../src/media/index.js';
import { bytesOf, type InParts, Random } from '../../src/tensor/index.js';

function noise(width: number, height: number, seed: number): Picture {
  const random = new Random(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random.integer(256)) };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Shapes and hashes of the tensors. */
const hashesOf = ({ tensors }: Pixels) =>
  Object.entries(tensors).map(([name, array]) => [name, array.shape, sha256(bytesOf(array))]);

/** The results of several works, a part of each in turn, and how many parts there were. */
function sideBySide<Result>(works: readonly InParts<Result>[]): { readonly results: Result[]; readonly parts: number } {
  const results: Result[] = [];
  let parts = 0;
  for (const open = new Set(works.entries()); open.size > 0; ) {
    for (const entry of open) {
      const [i, work] = entry;
      const { value, done } = work.next();
      parts++;
      if (!done) continue;
      results[i] = value;
      open.delete(entry);
    }
  }
  return { results, parts };
}

const clip = { image_processor_type: 'CLIPImageProcessor', crop_size: { height: 96, width: 96 } };
const processors: Readonly<Record<string, object>> = {
  'a crop': { ...clip, size: { shortest_edge: 96 } },
  'the nearest neighbours': { ...clip, size: { shortest_edge: 700 }, resample: 0, do_center_crop: false },
  'an enlarged one': { ...clip, size: { height: 900, width: 1100 }, do_center_crop: false },
  'a padded one': { image_processor_type: 'LlavaImageProcessor', do_pad: true, size: { shortest_edge: 96 } },
  tiles: {
    image_processor_type: 'Idefics3ImageProcessor',
    size: { longest_edge: 512 },
    max_image_size: { longest_edge: 128 },
  },
};

test.each(Object.entries(processors))('%s is that of one alone', (_, settings) => {
  const process: ImageProcessor = imageProcessor(settings, 'test');
  const pictures = [noise(640, 420, 1), noise(300, 520, 2), noise(640, 420, 3)];
  const { results, parts } = sideBySide(pictures.map((picture) => process.inParts([[picture]])));
  expect(parts).toBeGreaterThan(3 * pictures.length);
  for (const [i, picture] of pictures.entries())
    expect(hashesOf(results[i] as Pixels)).toEqual(hashesOf(process([[picture]])));
});

test('a strip that is enlarged a thousandfold has the pixels of its parts', () => {
  const strip = noise(2, 8, 4);
  const process = imageProcessor({ ...clip, size: { height: 8, width: 40_000 }, do_center_crop: false }, 'test');
  const { pixel_values: pixels } = process([[strip]]).tensors;
  expect(pixels?.shape).toEqual([1, 3, 8, 40_000]);
  const column = resize(noise(8, 2, 5), { width: 8, height: 40_000 });
  expect(column.data.subarray(0, 24)).toEqual(
    resize(noise(8, 2, 5), { width: 8, height: 40_000 }, { region: { left: 0, top: 0, width: 8, height: 1 } }).data,
  );
});

test('the key of a large picture is found in parts', () => {
  const picture = noise(900, 700, 6);
  const { results, parts } = sideBySide([pictureKeyInParts(picture), pictureKeyInParts({ ...picture })]);
  expect(parts).toBeGreaterThan(10);
  expect(results).toEqual([pictureKey({ ...picture }), pictureKey(picture)]);
});
