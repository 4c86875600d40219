/** Damaged files: whatever is done to a picture's bytes, the answer is a picture or a QuintetError, in little time and memory. */
import { describe, expect, test } from 'vitest';
import { decodePicture } from '../../src/media/index.js';
import { QuintetError, Random } from '../../src/tensor/index.js';
import { processorTime } from '../processor-time.js';
import { fileOf } from './reference.js';

const samples = [
  'type2-8.png',
  'type3-4-transparent.png',
  'turned5.png',
  '420-odd.jpg',
  'progressive.jpg',
  'cmyk.jpg',
  'turned6.jpg',
  'alpha.webp',
  'lossless-alpha.webp',
  'moving.webp',
  'interlaced.gif',
  'moving.gif',
];

const mutations: Record<string, (bytes: Uint8Array, random: Random) => Uint8Array> = {
  'cut off': (bytes, random) => bytes.subarray(0, random.integer(bytes.length)),
  'with flipped bits': (bytes, random) => {
    const copy = bytes.slice();
    for (let i = 0; i < 3; i++) copy[random.integer(copy.length)]! ^= 1 << random.integer(8);
    return copy;
  },
  'with a damaged header': (bytes, random) => {
    const copy = bytes.slice();
    for (let i = 0; i < 4; i++) copy[random.integer(Math.min(64, copy.length))] = random.integer(256);
    return copy;
  },
  'with largest numbers': (bytes, random) => bytes.slice().fill(0xff, ...span(bytes, random, 4)),
  'with zeros': (bytes, random) => bytes.slice().fill(0, ...span(bytes, random, 16)),
  'with a part left out': (bytes, random) => {
    const [start, end] = span(bytes, random, 32);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  'with a part twice': (bytes, random) => {
    const [start, end] = span(bytes, random, 200);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
};

function span(bytes: Uint8Array, random: Random, length: number): [number, number] {
  const start = random.integer(bytes.length);
  return [start, Math.min(bytes.length, start + length)];
}

describe('damaged pictures', () => {
  test.each(Object.keys(mutations))('%s are decoded or refused, never worse', async (kind) => {
    const mutate = mutations[kind] as (bytes: Uint8Array, random: Random) => Uint8Array;
    const random = new Random(kind.length);
    for (const name of samples) {
      for (let i = 0; i < 12; i++) {
        const bytes = mutate(fileOf(name), random);
        const started = processorTime();
        await decodePicture(bytes, { limits: { pixels: 2 ** 20 } }).then(
          (picture) => expect(picture.data.length).toBe(picture.width * picture.height * 3),
          (error: unknown) => {
            expect(error, `${name}, mutation ${i}`).toBeInstanceOf(QuintetError);
            expect(['media', 'limit']).toContain((error as QuintetError).code);
          },
        );
        expect(processorTime() - started, `${name}, mutation ${i}`).toBeLessThan(5000);
      }
    }
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 30);
  });

  test('among many that are decoded at once leave the others what they are', async () => {
    const whole = fileOf('444.jpg');
    const expected = (await decodePicture(whole)).data;
    const files = Array.from({ length: 60 }, (_, i) => (i % 3 === 1 ? whole.subarray(0, 300 + i) : whole));
    const results = await Promise.allSettled(files.map((bytes) => decodePicture(bytes)));
    for (const [i, result] of results.entries()) {
      if (i % 3 === 1) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'media' } });
      else expect(result).toMatchObject({ status: 'fulfilled', value: { data: expected } });
    }
  });
});
