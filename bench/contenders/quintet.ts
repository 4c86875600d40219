/** Quintet, by its public functions. */

import { asSystem, decodePicture, defaultEngine, generateTokens, LanguageSession, load } from '../../src/index.js';
import { imageProcessor } from '../../src/media/index.js';
import type { Program } from '../contender.js';
import type { Settings } from '../harness/benchmark.js';
import { clip336 } from './clip.js';

export async function prepare({ path, weights, kvCache, threads }: Settings): Promise<() => Promise<Program>> {
  if (path === undefined) return pictures;
  const engine = await defaultEngine({ threads });
  return async () => {
    const forms = { ...(weights ? { weights } : {}), ...(kvCache ? { kvCache } : {}) };
    const model = asSystem(await load(path, { engine, ...forms }));
    const session = await LanguageSession.open(model);
    return {
      async answer(prompts, count, onToken) {
        const longest = Math.max(...prompts.map((prompt) => prompt.length));
        const cache = session.start(prompts.length, longest + count);
        for await (const _ of generateTokens(session, cache, { ids: prompts }, { maxTokens: count })) onToken();
      },
    };
  };
}

async function pictures(): Promise<Program> {
  const processor = imageProcessor(clip336, 'benchmark');
  return { process: async (bytes) => processor([[await decodePicture(bytes)]]) };
}
