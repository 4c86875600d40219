/**
 * BERT and the encoders of sentences made of it.
 *
 * Devlin et al., 2019, https://arxiv.org/abs/1810.04805 (sizes: section 3); MiniLM: Wang et al., 2020,
 * https://arxiv.org/abs/2002.10957; sentences: Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084
 */
import { bertTower, readBert } from '../parts/encoders/bert.js';
import { type PoolingName, poolings, recipe, sentenceEncoder, slot } from '../system/index.js';

const words = { vocab: 30522 };
const mean = { pooling: 'mean' } as const;

export const bert = recipe({
  name: 'bert',
  modelTypes: ['bert'],
  published: ['sentence-transformers/all-MiniLM-L6-v2'],
  sizes: {
    base: { text: { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 }, ...mean },
    large: { text: { ...words, width: 1024, depth: 24, heads: 16, hidden: 4096 }, ...mean },
    'minilm-l6': { text: { ...words, width: 384, depth: 6, heads: 12, hidden: 1536 }, ...mean },
    tiny: { text: { vocab: 256, width: 32, depth: 2, heads: 4, hidden: 48, context: 64 }, ...mean },
  },
  read: (config) => ({
    text: readBert(config),
    pooling: config
      .object('sentence_transformers', { optional: true })
      .choice('pooling', Object.keys(poolings) as PoolingName[], 'mean'),
  }),
  build: ({ text, pooling }, name) =>
    sentenceEncoder(slot(bertTower(text), { prefix: '' }), {
      ...{ name, paper: 'arXiv:1810.04805', pooling: poolings[pooling] },
      // Files of BERT with its heads for masked words and next sentences.
      renames: [[], [['', 'bert']]],
      buffers: ['bert.embeddings.position_ids', 'cls.**'],
    }),
});
