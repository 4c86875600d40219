/** Gemma 3's language model alone. Gemma Team, 2025, https://arxiv.org/abs/2503.19786 (sizes: the published configurations) */

import { linearScaling } from '../nn/index.js';
import { type Gemma3Config, gemma3 as gemma3Backbone, readGemma3 } from '../parts/backbones/gemma3.js';
import { recipe, slot, system } from '../system/index.js';

/** All layers but every sixth. */
const fiveToOne = (depth: number) => Array.from({ length: depth }, (_, layer) => (layer + 1) % 6 !== 0);
const rotary = { rotary: { theta: 1e6 }, windowedRotary: { theta: 1e4 } };
const small = {
  ...rotary,
  context: 32768,
  window: 512,
  vocab: 262144,
  tied: true,
  headWidth: 256,
  heads: 4,
  kvHeads: 1,
};
const large = {
  ...{ context: 131072, window: 1024, vocab: 262208, tied: true },
  ...{ rotary: { theta: 1e6, scaling: linearScaling(8) }, windowedRotary: { theta: 1e4 } },
};

export const gemma3 = recipe({
  name: 'gemma3',
  modelTypes: ['gemma3_text'],
  published: ['google/gemma-3-1b-it'],
  sizes: {
    '270m': { ...small, width: 640, depth: 18, hidden: 2048, windowed: fiveToOne(18) },
    '1b': { ...small, width: 1152, depth: 26, hidden: 6912, windowed: fiveToOne(26) },
    // The published files of these also see pictures.
    '4b': {
      ...{ ...large, width: 2560, depth: 34, heads: 8, kvHeads: 4, headWidth: 256, hidden: 10240 },
      windowed: fiveToOne(34),
    },
    '12b': {
      ...{ ...large, width: 3840, depth: 48, heads: 16, kvHeads: 8, headWidth: 256, hidden: 15360 },
      windowed: fiveToOne(48),
    },
    '27b': {
      ...{ ...large, width: 5376, depth: 62, heads: 32, kvHeads: 16, headWidth: 128, hidden: 21504 },
      ...{ windowed: fiveToOne(62), scoreWidth: 168 },
    },
    tiny: {
      ...{ ...rotary, width: 32, depth: 2, heads: 4, kvHeads: 2, headWidth: 16, hidden: 48, vocab: 256, context: 128 },
      ...{ window: 6, windowed: [true, false], tied: true },
    },
  },
  read: readGemma3,
  build: (config: Gemma3Config, name) =>
    system({ name, paper: 'arXiv:2503.19786', backbone: slot(gemma3Backbone(config), { prefix: '' }) }),
});
