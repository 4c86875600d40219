import type { Benchmark } from '../harness/benchmark.js';
import { curve } from './curve.js';
import { decode } from './decode.js';
import { loading } from './load.js';
import { memory } from './memory.js';
import { prefill } from './prefill.js';
import { preprocess } from './preprocess.js';
import { talk } from './talk.js';
import { training } from './train.js';
import { waiting } from './waiting.js';

/** In the order in which they run and are reported. */
export const benchmarks: readonly Benchmark[] = [
  decode,
  prefill,
  talk,
  loading,
  preprocess,
  memory,
  training,
  curve,
  waiting,
];
