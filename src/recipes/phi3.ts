/** Phi-3 and Phi-4 alone. Abdin et al., 2024, https://arxiv.org/abs/2404.14219 (sizes: the published configurations) */

import type { DecoderConfig } from '../parts/backbones/decoder.js';
import { phi3 as phi3Backbone, readPhi3 } from '../parts/backbones/phi3.js';
import { recipe, slot, system } from '../system/index.js';

export const phi3 = recipe({
  name: 'phi3',
  modelTypes: ['phi3'],
  published: ['microsoft/Phi-3-mini-4k-instruct'],
  sizes: {
    // Phi-3-mini, of the context of 4096.
    mini: {
      ...{ width: 3072, depth: 32, heads: 32, hidden: 8192, vocab: 32064 },
      ...{ context: 4096, epsilon: 1e-5, window: 2047 },
    },
    // Phi-4.
    '4-14b': {
      ...{ width: 5120, depth: 40, heads: 40, kvHeads: 10, hidden: 17920, vocab: 100352 },
      ...{ context: 16384, epsilon: 1e-5, rotary: { theta: 250000 } },
    },
    tiny: {
      ...{ width: 32, depth: 2, heads: 2, hidden: 48, vocab: 256, context: 128, epsilon: 1e-5 },
      rotary: { theta: 10000, share: 0.75 },
    },
  },
  read: readPhi3,
  build: (config: DecoderConfig, name) =>
    system({ name, paper: 'arXiv:2404.14219', backbone: slot(phi3Backbone(config), { prefix: '' }) }),
});
