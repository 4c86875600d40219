/** Memory that a model takes once it has answered. */

import type { Benchmark, Contender, Start } from '../harness/benchmark.js';
import type { Resident } from '../harness/resident.js';
import { all, answerTokens, ours, pairsOf, sameForm, sameWeights, theirs } from './language.js';

const promptTokens = 1024;

/** Resident memory before a model is opened, and afterwards; it has answered some prompts by then. */
export async function measureMemory(
  contender: Contender,
  start: Start,
  { prompts = [promptTokens], count = answerTokens } = {},
): Promise<{ readonly before: Resident; readonly after: Resident }> {
  const child = start(contender);
  try {
    await child.ask('prepare', contender);
    const before = await child.ask('memory', {});
    await child.ask('open', {});
    await child.ask('answer', { prompts, count });
    return { before, after: await child.ask('memory', {}) };
  } finally {
    await child.stop();
  }
}

export const memory: Benchmark = {
  name: 'memory',
  title: 'Memory',
  about:
    `SmolLM2-135M-Instruct, 2 threads, each time in a process of its own: what is resident after an answer of ` +
    `${answerTokens} tokens to ${promptTokens}, what of it are pages of its own rather than of files, and the most that ` +
    'there was. A process of Node alone takes about 45 MiB.',
  contenders: all,
  measures: [
    { name: 'resident', unit: 'MiB', better: 'less' },
    { name: 'own', unit: 'MiB', better: 'less' },
    { name: 'peak', unit: 'MiB', better: 'less' },
  ],
  pairs: [
    ...sameForm,
    ...sameWeights,
    ...pairsOf([
      [ours.int4, theirs.llamaQ4],
      [ours.int4, theirs.tjsQ4],
    ]),
  ],
  turn: {
    kind: 'fresh',
    async take(contender, start) {
      const { after } = await measureMemory(contender, start);
      return { resident: after.all, own: after.anonymous, peak: after.peak };
    },
  },
};
