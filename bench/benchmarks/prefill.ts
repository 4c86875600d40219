/** Tokens a second of prompts, and the time until the first token of an answer. */

import type { Benchmark } from '../harness/benchmark.js';
import type { Measure } from '../harness/statistics.js';
import { answering, lengths, ours, pairsOf, sameForm, sameWeights, theirs } from './language.js';

const measures = lengths.flatMap((length): Measure[] => [
  { name: `prompt of ${length}`, unit: 'tokens/s', better: 'more' },
  { name: `first token after ${length}`, unit: 'ms', better: 'less' },
]);

export const prefill: Benchmark = {
  name: 'prefill',
  title: 'Prefill',
  about:
    'SmolLM2-135M-Instruct, 2 threads: the time until the first token of an answer is there, and the tokens a second of ' +
    'the prompt that this makes.',
  contenders: answering,
  measures,
  pairs: [...sameForm, ...sameWeights, ...pairsOf([[ours.q4_1, theirs.llamaQ8]])],
  turn: {
    kind: 'kept',
    async take(child) {
      const values: Record<string, number> = {};
      for (const length of lengths) {
        const { first } = await child.ask('answer', { prompts: [length], count: 1 });
        values[`prompt of ${length}`] = (length * 1000) / first;
        values[`first token after ${length}`] = first;
      }
      return values;
    },
  },
};
