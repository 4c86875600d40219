/** OPT alone. Zhang et al., 2022, https://arxiv.org/abs/2205.01068 (sizes: table 1) */

import { type OptConfig, opt as optBackbone, readOpt } from '../parts/backbones/opt.js';
import { recipe, slot, system } from '../system/index.js';

export const opt = recipe({
  name: 'opt',
  modelTypes: ['opt'],
  sizes: {
    '125m': { width: 768, depth: 12, heads: 12, hidden: 3072, vocab: 50272 },
    '350m': { width: 1024, depth: 24, heads: 16, hidden: 4096, vocab: 50272, wordWidth: 512, normFirst: false },
    '2.7b': { width: 2560, depth: 32, heads: 32, hidden: 10240, vocab: 50272 },
    tiny: { width: 32, depth: 2, heads: 4, hidden: 48, vocab: 256, context: 128 },
  },
  read: readOpt,
  build: (config: OptConfig, name) =>
    system({
      name,
      paper: 'arXiv:2205.01068',
      backbone: slot(optBackbone(config), { prefix: '' }),
      renames: [[], bare],
    }),
});

/** As the files of the first release name them. */
const bare = [['model.decoder', 'decoder']] as const;
