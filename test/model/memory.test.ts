import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { measureMemory } from '../../bench/benchmarks/memory.js';
import type { Contender } from '../../bench/harness/benchmark.js';
import { bundleContenders, startChild } from '../../bench/harness/child.js';
import { temporaryFolder } from '../temporary.js';
import { neededBytes, writeModel } from './arbitrary-models.js';

// Resident memory is read where Linux tells it.
test.runIf(process.platform === 'linux').each(['bf16', 'f32', 'gguf-q8_0'] as const)(
  'loaded and ready to answer, a model of %s takes at most 1.3 times its weights in f32',
  async (kind) => {
    const folder = temporaryFolder();
    const bundle = await bundleContenders();
    onTestFinished(() => bundle.remove());
    const path = await writeModel(kind, folder);
    const contender: Contender = {
      name: kind,
      program: 'quintet',
      settings: { path, threads: 1 },
      environment: { QUINTET_CACHE: join(folder, 'cache') },
    };
    const start = () => startChild(bundle, contender, { realtime: false });
    const short = { prompts: [3], count: 1 };
    // The first process to load blocks packs them into a file; what counts is what every later one takes.
    if (kind === 'gguf-q8_0') await measureMemory(contender, start, short);
    const { before, after } = await measureMemory(contender, start, short);
    // Graphs, sessions and compiled code take some megabytes whatever the size of the model.
    expect(after.all - before.all).toBeLessThan((1.3 * neededBytes) / 2 ** 20 + 32);
  },
);
