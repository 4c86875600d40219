/** Qwen3 alone. Yang et al., 2025, https://arxiv.org/abs/2505.09388 (sizes: the published configurations) */

import { type Qwen3Config, qwen3 as qwen3Backbone, readQwen3 } from '../parts/backbones/qwen3.js';
import { recipe, slot, system } from '../system/index.js';

const shared = { context: 40960, rotary: { theta: 1e6 }, kvHeads: 8, headWidth: 128, vocab: 151936 };

export const qwen3 = recipe({
  name: 'qwen3',
  modelTypes: ['qwen3'],
  published: ['Qwen/Qwen3-0.6B'],
  sizes: {
    '0.6b': { ...shared, width: 1024, depth: 28, heads: 16, hidden: 3072, tied: true },
    '4b': { ...shared, width: 2560, depth: 36, heads: 32, hidden: 9728, tied: true },
    '8b': { ...shared, width: 4096, depth: 36, heads: 32, hidden: 12288 },
    tiny: { width: 32, depth: 2, heads: 4, kvHeads: 2, headWidth: 16, hidden: 48, vocab: 256, context: 128 },
  },
  read: readQwen3,
  build: (config: Qwen3Config, name) =>
    system({ name, paper: 'arXiv:2505.09388', backbone: slot(qwen3Backbone(config), { prefix: '' }) }),
});
