/**
 * Qwen2 and Qwen2.5 alone.
 *
 * Yang et al., 2024, https://arxiv.org/abs/2407.10671; Qwen2.5: https://arxiv.org/abs/2412.15115 (sizes: the published
 * configurations of Qwen2.5)
 */
import type { DecoderConfig } from '../parts/backbones/decoder.js';
import { qwen2 as qwen2Backbone, readQwen2 } from '../parts/backbones/qwen2.js';
import { recipe, slot, system } from '../system/index.js';

const shared = { context: 32768, rotary: { theta: 1e6 } };

export const qwen2 = recipe({
  name: 'qwen2',
  modelTypes: ['qwen2'],
  published: ['Qwen/Qwen2.5-0.5B-Instruct'],
  sizes: {
    '0.5b': {
      ...{ ...shared, width: 896, depth: 24, heads: 14, kvHeads: 2, hidden: 4864, vocab: 151936, tied: true },
    },
    '1.5b': {
      ...{ ...shared, width: 1536, depth: 28, heads: 12, kvHeads: 2, hidden: 8960, vocab: 151936, tied: true },
    },
    '7b': { ...shared, width: 3584, depth: 28, heads: 28, kvHeads: 4, hidden: 18944, vocab: 152064 },
    tiny: { width: 32, depth: 2, heads: 4, kvHeads: 2, hidden: 48, vocab: 256, context: 128, tied: true },
  },
  read: readQwen2,
  build: (config: DecoderConfig, name) =>
    system({ name, paper: 'arXiv:2407.10671', backbone: slot(qwen2Backbone(config), { prefix: '' }) }),
});
