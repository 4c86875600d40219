/** Mistral alone. Jiang et al., 2023, https://arxiv.org/abs/2310.06825 (sizes: the published configurations) */

import type { DecoderConfig } from '../parts/backbones/decoder.js';
import { mistral as mistralBackbone, readMistral } from '../parts/backbones/mistral.js';
import { recipe, slot, system } from '../system/index.js';

const base = { width: 4096, depth: 32, heads: 32, kvHeads: 8, hidden: 14336, context: 32768, epsilon: 1e-5 };

export const mistral = recipe({
  name: 'mistral',
  modelTypes: ['mistral'],
  published: ['mistralai/Mistral-7B-Instruct-v0.3'],
  sizes: {
    '7b': { ...base, vocab: 32000, window: 4096 },
    '7b-v0.3': { ...base, vocab: 32768, rotary: { theta: 1e6 } },
    'nemo-12b': {
      ...{ ...base, width: 5120, depth: 40, headWidth: 128, vocab: 131072, context: 131072 },
      rotary: { theta: 1e6 },
    },
    tiny: { width: 32, depth: 2, heads: 4, kvHeads: 2, hidden: 48, vocab: 256, context: 128, window: 6 },
  },
  read: readMistral,
  build: (config: DecoderConfig, name) =>
    system({ name, paper: 'arXiv:2310.06825', backbone: slot(mistralBackbone(config), { prefix: '' }) }),
});
