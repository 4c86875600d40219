/** GPT-2 alone. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (sizes: table 2) */

import { type Gpt2Config, gpt2 as gpt2Backbone, readGpt2 } from '../parts/backbones/gpt2.js';
import { recipe, slot, system } from '../system/index.js';

export const gpt2 = recipe({
  name: 'gpt2',
  modelTypes: ['gpt2'],
  published: ['openai-community/gpt2'],
  sizes: {
    small: { width: 768, depth: 12, heads: 12, vocab: 50257 },
    medium: { width: 1024, depth: 24, heads: 16, vocab: 50257 },
    large: { width: 1280, depth: 36, heads: 20, vocab: 50257 },
    xl: { width: 1600, depth: 48, heads: 25, vocab: 50257 },
    tiny: { width: 32, depth: 2, heads: 4, vocab: 256, context: 128 },
  },
  read: readGpt2,
  build: (config: Gpt2Config, name) =>
    system({ name, backbone: slot(gpt2Backbone(config), { prefix: '' }), renames: [[], bare] }),
});

/** As the files of the first release name them. */
const bare = [['transformer', '']] as const;
