/**
 * T5 alone, and the models of its shape.
 *
 * Raffel et al., 2020, https://arxiv.org/abs/1910.10683 (sizes: section 3.7); Flan-T5: Chung et al., 2022,
 * https://arxiv.org/abs/2210.11416
 */
import { readT5, type T5Config, t5 as t5Backbone } from '../parts/backbones/t5.js';
import { recipe, slot, system } from '../system/index.js';

const vocab = 32128;
const flan = { vocab, activation: 'gelu_new', gated: true, tied: false, headWidth: 64 } as const;

export const t5 = recipe({
  name: 't5',
  modelTypes: ['t5'],
  published: ['google/flan-t5-small'],
  sizes: {
    small: { width: 512, headWidth: 64, heads: 8, depth: 6, hidden: 2048, vocab },
    base: { width: 768, headWidth: 64, heads: 12, depth: 12, hidden: 3072, vocab },
    large: { width: 1024, headWidth: 64, heads: 16, depth: 24, hidden: 4096, vocab },
    '3b': { width: 1024, headWidth: 128, heads: 32, depth: 24, hidden: 16384, vocab },
    'flan-small': { ...flan, width: 512, heads: 6, depth: 8, hidden: 1024 },
    'flan-base': { ...flan, width: 768, heads: 12, depth: 12, hidden: 2048 },
    'flan-large': { ...flan, width: 1024, heads: 16, depth: 24, hidden: 2816 },
    'flan-xl': { ...flan, width: 2048, heads: 32, depth: 24, hidden: 5120 },
    'flan-xxl': { ...flan, width: 4096, heads: 64, depth: 24, hidden: 10240 },
    tiny: { width: 32, headWidth: 8, heads: 3, depth: 2, hidden: 48, vocab: 256, buckets: 8, farthest: 20 },
  },
  read: readT5,
  build: (config: T5Config, name) =>
    system({ name, paper: 'arXiv:1910.10683', backbone: slot(t5Backbone(config), { prefix: '' }) }),
});
