/** Mixtral alone. Jiang et al., 2024, https://arxiv.org/abs/2401.04088 (sizes: the published configurations) */

import { type MixtralConfig, mixtral as mixtralBackbone, readMixtral } from '../parts/backbones/mixtral.js';
import { recipe, slot, system } from '../system/index.js';

const base = { kvHeads: 8, epsilon: 1e-5, rotary: { theta: 1e6 }, experts: 8, chosen: 2 };

export const mixtral = recipe({
  name: 'mixtral',
  modelTypes: ['mixtral'],
  published: ['mistralai/Mixtral-8x7B-Instruct-v0.1'],
  sizes: {
    '8x7b': { ...base, width: 4096, depth: 32, heads: 32, hidden: 14336, vocab: 32000, context: 32768 },
    '8x22b': { ...base, width: 6144, depth: 56, heads: 48, hidden: 16384, vocab: 32000, context: 65536 },
    tiny: { width: 32, depth: 2, heads: 4, kvHeads: 2, hidden: 48, vocab: 256, context: 128, experts: 4, chosen: 2 },
  },
  read: readMixtral,
  build: (config: MixtralConfig, name) =>
    system({ name, paper: 'arXiv:2401.04088', backbone: slot(mixtralBackbone(config), { prefix: '' }) }),
});
