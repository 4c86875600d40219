/** Tokens a second of answers. */

import type { Benchmark } from '../harness/benchmark.js';
import type { Measure } from '../harness/statistics.js';
import { answering, answerTokens, lengths, sameForm, sameWeights } from './language.js';

const clients = 8;
const clientTokens = 64;

const measures: readonly Measure[] = [
  ...lengths.map((length): Measure => ({ name: `after ${length}`, unit: 'tokens/s', better: 'more' })),
  { name: `${clients} at once`, unit: 'tokens/s', better: 'more' },
];

export const decode: Benchmark = {
  name: 'decode',
  title: 'Decode',
  about:
    `SmolLM2-135M-Instruct, 2 threads: tokens a second of an answer of ${answerTokens} tokens after prompts of ` +
    `${lengths.join(', ')} tokens, its first token not counted; and of ${clients} answers of ${clientTokens} tokens ` +
    `together, each after a prompt of ${clientTokens}, which is counted.`,
  contenders: answering,
  measures,
  pairs: [...sameForm, ...sameWeights],
  turn: {
    kind: 'kept',
    async take(child) {
      const values: Record<string, number> = {};
      for (const length of lengths) {
        const { first, last } = await child.ask('answer', { prompts: [length], count: answerTokens });
        values[`after ${length}`] = ((answerTokens - 1) * 1000) / (last - first);
      }
      const prompts = new Array<number>(clients).fill(clientTokens);
      const { last } = await child.ask('answer', { prompts, count: clientTokens });
      values[`${clients} at once`] = (clients * clientTokens * 1000) / last;
      return values;
    },
  },
};
