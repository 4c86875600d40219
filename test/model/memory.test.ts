import { expect, test } from 'vitest';
import { measure, shapes } from '../../bench/memory.js';

// Resident memory is read where Linux tells it.
test.runIf(process.platform === 'linux').each(['bf16', 'f32', 'gguf-q8_0'] as const)(
  'loaded and ready to answer, a model of %s takes at most 1.3 times its weights in f32',
  async (kind) => {
    const { needed, added } = await measure(kind, shapes.small);
    // Graphs, sessions and compiled code take some megabytes whatever the size of the model.
    expect(added).toBeLessThan(1.3 * needed + 24);
  },
);
