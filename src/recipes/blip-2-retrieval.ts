/**
 * BLIP-2's first stage alone: a frozen ViT and a Q-Former that learns to see by comparing pictures with texts.
 *
 * Li et al., "BLIP-2", 2023, section 3.2, https://arxiv.org/abs/2301.12597 (schedule: section 3.4)
 */
import { blipVision, readBlipVision } from '../parts/encoders/blip-vision.js';
import { queryReader, readQueryReader } from '../parts/input-projectors/q-former-reader.js';
import { adamw, imageText, learnImageText, recipe, slot, steps } from '../system/index.js';

const vitG = { image: 224, patch: 14, width: 1408, depth: 39, heads: 16, hidden: 6144 }; // ViT-g less its last block
const bert = { queries: 32, width: 768, depth: 12, heads: 12, hidden: 3072, vocab: 30523 };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };

export const blip2Retrieval = recipe({
  name: 'blip-2-retrieval',
  modelTypes: ['blip-2'],
  architectures: ['Blip2ForImageTextRetrieval'],
  sizes: {
    g: { vision: vitG, reader: bert, projection: 256 },
    tiny: {
      vision: { ...vitG, ...tiny, image: 28 },
      reader: { ...bert, ...tiny, queries: 4, vocab: 64, context: 32 },
      projection: 16,
    },
  },
  read: (config) => ({
    vision: readBlipVision(config.part('vision_config', 'blip_2_vision_model')),
    reader: readQueryReader(config.part('qformer_config', 'blip_2_qformer'), config.count('num_query_tokens', 32)),
    projection: config.count('image_text_hidden_size', 256),
  }),
  build: ({ vision, reader, projection }, name) =>
    imageText({
      ...{ name, paper: 'arXiv:2301.12597', projection },
      encoder: slot(blipVision(vision), { prefix: 'vision_model' }),
      reader: slot(queryReader(reader), { prefix: '' }), // query_tokens, embeddings.*, qformer.*
      stages: [
        {
          name: 'represent', // the language model is not there yet
          train: ['query_tokens', 'embeddings.**', 'qformer.**', '*_projection.**', 'itm_head.**'],
          data: 'blip-129m',
          objective: learnImageText(),
          optimizer: adamw({ lr: 1e-4, warmup: steps(2000), decay: 0.05, schedule: 'cosine', minimum: 0.01 }),
          ...{ batch: 1680, length: steps(250_000) },
        },
      ],
    }),
});
