/** Gemma 2 alone. Gemma Team, 2024, https://arxiv.org/abs/2408.00118 (sizes: the published configurations) */

import { type Gemma2Config, gemma2 as gemma2Backbone, readGemma2 } from '../parts/backbones/gemma2.js';
import { recipe, slot, system } from '../system/index.js';

/** Every other layer, from the first on. */
const alternating = (depth: number) => Array.from({ length: depth }, (_, layer) => layer % 2 === 0);
const caps = { attentionCap: 50, logitCap: 30 };
const shared = { ...caps, vocab: 256000, context: 8192, window: 4096, tied: true };

export const gemma2 = recipe({
  name: 'gemma2',
  modelTypes: ['gemma2'],
  published: ['google/gemma-2-2b-it'],
  sizes: {
    '2b': {
      ...{ ...shared, width: 2304, depth: 26, heads: 8, kvHeads: 4, headWidth: 256, hidden: 9216 },
      windowed: alternating(26),
    },
    '9b': {
      ...{ ...shared, width: 3584, depth: 42, heads: 16, kvHeads: 8, headWidth: 256, hidden: 14336 },
      windowed: alternating(42),
    },
    '27b': {
      ...{ ...shared, width: 4608, depth: 46, heads: 32, kvHeads: 16, headWidth: 128, hidden: 36864 },
      ...{ windowed: alternating(46), scoreWidth: 144 },
    },
    tiny: {
      ...{ ...caps, width: 32, depth: 2, heads: 4, kvHeads: 2, headWidth: 16, hidden: 48, vocab: 256, context: 128 },
      ...{ window: 6, windowed: alternating(2), tied: true },
    },
  },
  read: readGemma2,
  build: (config: Gemma2Config, name) =>
    system({ name, paper: 'arXiv:2408.00118', backbone: slot(gemma2Backbone(config), { prefix: '' }) }),
});
