/**
 * BERT and the encoders of sentences made of it.
 *
 * Devlin et al., 2019, https://arxiv.org/abs/1810.04805 (sizes: section 3); MiniLM: Wang et al., 2020,
 * https://arxiv.org/abs/2002.10957; sentences: Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084
 */
import {
  type BertConfig,
  bertFirstNorms,
  bertTower,
  bertWordScores,
  firstNorm,
  readBert,
} from '../parts/encoders/bert.js';
import { maskedWordsModel, type PoolingName, poolings, recipe, sentenceEncoder, slot } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';

const words = { vocab: 30522 };
const mean = { pooling: 'mean' } as const;
const base: BertConfig = { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 };
const large: BertConfig = { ...words, width: 1024, depth: 24, heads: 16, hidden: 4096 };
const tiny: BertConfig = { vocab: 256, width: 32, depth: 2, heads: 4, hidden: 48, context: 64 };
const paper = 'arXiv:1810.04805';

export const bert = recipe({
  name: 'bert',
  modelTypes: ['bert'],
  published: ['sentence-transformers/all-MiniLM-L6-v2'],
  sizes: {
    base: { text: base, ...mean },
    large: { text: large, ...mean },
    'minilm-l6': { text: { ...words, width: 384, depth: 6, heads: 12, hidden: 1536 }, ...mean },
    tiny: { text: tiny, ...mean },
  },
  read: (config) => ({
    text: readBert(config),
    pooling: config
      .object('sentence_transformers', { optional: true })
      .choice('pooling', Object.keys(poolings) as PoolingName[], 'mean'),
  }),
  build: ({ text, pooling }, name) =>
    sentenceEncoder(slot(bertTower(text), { prefix: '' }), {
      ...{ name, paper, pooling: poolings[pooling] },
      // Files of BERT with its heads for masked words and next sentences.
      renames: [[], [['', 'bert']], [...inBert(text), ['', 'bert']]],
      buffers: ['bert.embeddings.position_ids', 'cls.**'],
    }),
});

/** BERT with its head for masked words, as `BertForMaskedLM` has it. */
export const bertMasked = recipe({
  name: 'bert-masked',
  modelTypes: ['bert'],
  architectures: ['BertForMaskedLM', 'BertForPreTraining'],
  published: ['google-bert/bert-base-uncased'],
  sizes: { base, large, tiny },
  read(config) {
    if (config.flag('tie_word_embeddings', true)) return readBert(config);
    throw new QuintetError('unsupported', 'a head for words of its own; the table of words scores them here', {
      at: `${config.at}: tie_word_embeddings`,
    });
  },
  build: (config, name) =>
    maskedWordsModel({
      ...{ name, paper, vocab: config.vocab, context: config.context ?? 512 },
      tower: slot(bertTower(config, { pools: false }), { prefix: 'bert' }),
      scores: (p, states) => bertWordScores(p.at('cls.predictions'), states, p.at('bert'), config),
      renames: [[], firstNames(config)],
      // What guesses whether sentences follow each other, and what files hold twice.
      buffers: ['bert.pooler.**', 'cls.seq_relationship.**', 'cls.predictions.decoder.*'],
    }),
});

/** The tower's norms as the first published files name them. */
const inBert = (config: BertConfig, prefix = ''): (readonly [ours: string, theirs: string])[] =>
  bertFirstNorms(config).map(([ours, theirs]) => [`${prefix}${ours}`, `bert.${theirs}`]);

/** The names in the first published files, which are those of today but for norms. */
function firstNames(config: BertConfig): (readonly [ours: string, theirs: string])[] {
  return [...inBert(config, 'bert.'), ...firstNorm('cls.predictions.transform.LayerNorm')];
}
