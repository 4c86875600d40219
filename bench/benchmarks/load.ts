/** Milliseconds from a file to a model that answers. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Benchmark, Contender, Start } from '../harness/benchmark.js';
import { dropFromMemory } from '../harness/page-cache.js';
import { cacheFolder, models } from '../harness/paths.js';
import { loaded, ours, packedFolder, pairsOf, sameForm, theirs } from './language.js';

const emptyFolder = join(cacheFolder, 'packed-first');

const reading = (name: string, path: string): Contender => ({
  name: `reading ${name}`,
  program: 'file',
  settings: { path, threads: 1 },
});
const readings = { q4_1: reading('Q4_1', models.q4_1), f32: reading('F32', models.f32) };

/** Milliseconds until the model is ready, and until the first token of an answer to a short prompt. */
async function openAndAnswer(contender: Contender, start: Start, environment?: Record<string, string>) {
  const child = start(contender, environment);
  try {
    await child.ask('prepare', contender);
    const { ms } = await child.ask('open', {});
    if (contender.program === 'file') return { ready: ms, answering: ms };
    const { first } = await child.ask('answer', { prompts: [16], count: 1 });
    return { ready: ms, answering: ms + first };
  } finally {
    await child.stop();
  }
}

export const loading: Benchmark = {
  name: 'load',
  title: 'Load',
  about:
    'SmolLM2-135M-Instruct, 2 threads, each time in a process of its own, its program already loaded: until the model is ' +
    'ready, and until the first token of an answer to 16 tokens is there. Warm: what is read lies in memory. Cold: it is ' +
    'on the disk. First: Quintet has never seen the file, and packs its weights.',
  contenders: [...loaded, ...Object.values(readings)],
  measures: [
    { name: 'warm', unit: 'ms', better: 'less' },
    { name: 'warm, first token', unit: 'ms', better: 'less' },
    { name: 'cold', unit: 'ms', better: 'less' },
    { name: 'cold, first token', unit: 'ms', better: 'less' },
    { name: 'first', unit: 'ms', better: 'less' },
  ],
  pairs: [
    ...sameForm,
    ...pairsOf([
      [ours.q4_1, readings.q4_1],
      [ours.f32, readings.f32],
      [theirs.llamaQ4, readings.q4_1],
    ]),
  ],
  turn: {
    kind: 'fresh',
    async take(contender, start) {
      const values: Record<string, number> = {};
      if (contender.program === 'quintet' && contender.settings.weights !== 'f32') {
        rmSync(emptyFolder, { recursive: true, force: true });
        values.first = (await openAndAnswer(contender, start, { QUINTET_CACHE: emptyFolder })).ready;
      }
      // The one before it leaves everything in memory, where it was not there already.
      await openAndAnswer(contender, start);
      const warm = await openAndAnswer(contender, start);
      values.warm = warm.ready;
      values['warm, first token'] = warm.answering;
      if (dropFromMemory([contender.settings.path as string, packedFolder])) {
        const cold = await openAndAnswer(contender, start);
        values.cold = cold.ready;
        values['cold, first token'] = cold.answering;
      }
      return values;
    },
  },
};
