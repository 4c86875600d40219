/** What a user waits for in a conversation, and what else the program can do meanwhile. */

import type { Benchmark } from '../harness/benchmark.js';
import { answerTokens, ours } from './language.js';

const beginning = 1024;
const question = 16;

export const talk: Benchmark = {
  name: 'talk',
  title: 'Talk',
  about:
    `SmolLM2-135M-Instruct, 2 threads: the time until the first token of two answers of ${answerTokens} tokens to ` +
    `questions of ${question} behind the same beginning of ${beginning}, and the longest time for which the event loop was ` +
    'held up meanwhile. Without real-time priority, under which the system itself holds threads up for longer.',
  contenders: [ours.q4_1, ours.int4, ours.f32],
  measures: [
    { name: 'first question', unit: 'ms', better: 'less' },
    { name: 'second question', unit: 'ms', better: 'less' },
    { name: 'second / first', unit: '', better: 'less' },
    { name: 'longest pause', unit: 'ms', better: 'less' },
  ],
  pairs: [],
  realtime: false,
  turn: {
    kind: 'kept',
    async take(child) {
      const { first, second, pause } = await child.ask('talk', { beginning, question, count: answerTokens });
      return {
        'first question': first,
        'second question': second,
        'second / first': second / first,
        'longest pause': pause,
      };
    },
  },
};
