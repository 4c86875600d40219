/** Pictures a second, from a file to what a vision tower reads. */

import type { Benchmark, Contender } from '../harness/benchmark.js';
import { height, photograph, width } from '../harness/photographs.js';

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
