/** llama.cpp through node-llama-cpp 3.22. */

import type { Program } from '../contender.js';
import type { Settings } from '../harness/benchmark.js';
import { peer } from './peer.js';

interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly number[], options: Record<string, unknown>): AsyncIterable<number>;
}

interface Context {
  getSequence(): Sequence;
  dispose(): Promise<void>;
}

interface LlamaModel {
  createContext(options: Record<string, unknown>): Promise<Context>;
}

interface Package {
  getLlama(options: Record<string, unknown>): Promise<{
    loadModel(options: Record<string, unknown>): Promise<LlamaModel>;
  }>;
}

export async function prepare(settings: Settings): Promise<() => Promise<Program>> {
  const { path, threads, capacity = 0, flashAttention = false } = settings;
  const { getLlama } = await peer<Package>('node-llama-cpp');
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: threads, logLevel: 'error' });
  return async () => {
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    const openContext = async (sequences: number, contextSize: number): Promise<Sequence[]> => {
      const context = await model.createContext({ contextSize, batchSize: 1024, threads, flashAttention, sequences });
      return Array.from({ length: sequences }, () => context.getSequence());
    };
    const contexts = new Map([[1, await openContext(1, capacity)]]);
    return {
      async answer(prompts, count, onToken) {
        const longest = Math.max(...prompts.map((prompt) => prompt.length));
        const sequences = contexts.get(prompts.length) ?? (await openContext(prompts.length, longest + count + 1));
        contexts.set(prompts.length, sequences);
        await Promise.all(prompts.map((prompt, i) => answerOne(sequences[i] as Sequence, { prompt, count, onToken })));
      },
    };
  };
}

interface Answer {
  readonly prompt: readonly number[];
  readonly count: number;
  readonly onToken: () => void;
}

async function answerOne(sequence: Sequence, { prompt, count, onToken }: Answer): Promise<void> {
  await sequence.clearHistory();
  let tokens = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    onToken();
    if (++tokens === count) return;
  }
}
