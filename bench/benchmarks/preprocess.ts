/** Pictures a second, from a file to what a vision tower reads. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Benchmark, Contender } from '../harness/benchmark.js';
import { cacheFolder } from '../harness/paths.js';

const [width, height] = [1024, 768];
const together = 8;

const settings = { threads: 2 };
const quintet: Contender = { name: 'Quintet', program: 'quintet', settings };
const transformersJs: Contender = {
  name: 'transformers.js',
  program: 'transformers-js',
  needs: '@huggingface/transformers',
  settings,
};
const plainSharp: Contender = { name: 'sharp alone', program: 'sharp', settings };

/** A picture with the slopes, edges and grain of a photograph, as a JPEG file of usual quality. */
async function photograph(): Promise<string> {
  const path = join(cacheFolder, `photograph-${width}x${height}.jpg`);
  if (existsSync(path)) return path;
  const data = new Uint8Array(width * height * 3);
  let grain = 1;
  for (let i = 0; i < data.length; i++) {
    const [channel, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    grain = (Math.imul(grain, 1664525) + 1013904223) >>> 0;
    const slope = 60 * Math.sin(x / (30 + channel * 10) + y / 50) + 40 * Math.sin((x * y) / 9000 + channel);
    const edge = (x >> 6) + (y >> 6) > 14 ? 25 : 0;
    data[i] = Math.max(0, Math.min(255, 110 + slope + edge + ((grain >>> 24) - 128) / 8));
  }
  await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toFile(path);
  return path;
}

export const preprocess: Benchmark = {
  name: 'preprocess',
  title: 'Preprocess',
  about:
    `Pictures a second, from a JPEG file of ${width} x ${height} in memory to the numbers that CLIP's vision tower of 336 ` +
    `pixels reads, one at a time and ${together} at once. Quintet's are those of Pillow and transformers, bit for bit; ` +
    "the others' are not.",
  contenders: [quintet, transformersJs, plainSharp],
  measures: [
    { name: 'one at a time', unit: 'pictures/s', better: 'more' },
    { name: `${together} at once`, unit: 'pictures/s', better: 'more' },
  ],
  pairs: [
    [quintet.name, transformersJs.name],
    [quintet.name, plainSharp.name],
  ],
  turn: {
    kind: 'kept',
    async take(child) {
      const file = await photograph();
      const one = await child.ask('process', { file, together: 1, times: 48 });
      const many = await child.ask('process', { file, together, times: 12 });
      return { 'one at a time': 48_000 / one.ms, [`${together} at once`]: (together * 12_000) / many.ms };
    },
  },
};
