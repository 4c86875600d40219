/**
 * BLIP-2: a frozen ViT, a Q-Former that learns in two stages, a frozen OPT or Flan-T5.
 *
 * Li et al., "BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models", 2023,
 * https://arxiv.org/abs/2301.12597 (sizes: section 3.1; schedules: section 3.4)
 */
import { opt } from '../parts/backbones/opt.js';
import { t5 } from '../parts/backbones/t5.js';
import { textBackboneOf } from '../parts/backbones/text-backbone.js';
import { blipVision, readBlipVision } from '../parts/encoders/blip-vision.js';
import { qFormer, readQFormer } from '../parts/input-projectors/q-former.js';
import { adamw, nextToken, recipe, repeated, slot, steps, system } from '../system/index.js';

const vitG = { image: 224, patch: 14, width: 1408, depth: 39, heads: 16, hidden: 6144 }; // ViT-g less its last block
const bert = { queries: 32, width: 768, depth: 12, heads: 12, hidden: 3072 };
const seeing = { vision: vitG, bridge: bert };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };

const opt27 = { width: 2560, depth: 32, heads: 32, hidden: 10240, vocab: 50304 };
const opt67 = { ...opt27, width: 4096, hidden: 16384 };
const flan = { vocab: 32128, activation: 'gelu_new', gated: true, tied: false, headWidth: 64 } as const;
const flanXl = { ...flan, width: 2048, heads: 32, depth: 24, hidden: 5120 };
const flanXxl = { ...flan, width: 4096, heads: 64, depth: 24, hidden: 10240 };
const takes = ['opt', 't5'] as const;

export const blip2 = recipe({
  name: 'blip-2',
  modelTypes: ['blip-2'],
  published: ['opt-2.7b', 'flan-t5-xl', 'opt-6.7b', 'flan-t5-xxl'].map((size) => `Salesforce/blip2-${size}`),
  sizes: {
    'opt-2.7b': { ...seeing, token: 50265, language: opt(opt27) },
    'opt-6.7b': { ...seeing, token: 50265, language: opt(opt67) },
    'flan-t5-xl': { ...seeing, token: 32100, language: t5(flanXl) },
    'flan-t5-xxl': { ...seeing, token: 32100, language: t5(flanXxl) },
    tiny: {
      ...{ vision: { ...vitG, ...tiny, image: 28 }, bridge: { ...bert, ...tiny, queries: 4 }, token: 255 },
      language: opt({ ...tiny, vocab: 256, context: 128 }),
    },
  },
  read: (config, names) => ({
    vision: readBlipVision(config.part('vision_config', 'blip_2_vision_model')),
    bridge: readQFormer(config.part('qformer_config', 'blip_2_qformer'), config.count('num_query_tokens', 32)),
    language: textBackboneOf(config.object('text_config', { optional: true }), { takes, otherwise: 'opt', names }),
    token: config.whole('image_token_index', config.whole('image_token_id', 50265)),
  }),
  build: ({ vision, bridge, language, token }, name) =>
    system({
      name,
      paper: 'arXiv:2301.12597',
      inputs: {
        image: {
          encoder: slot(blipVision(vision), { prefix: 'vision_model' }),
          projector: slot(qFormer(bridge), { prefix: '' }), // query_tokens, qformer.*, language_projection.*
          ...{ token, prompt: { ...repeated('<image>'), first: true } },
        },
      },
      backbone: slot(language, { prefix: 'language_model' }),
      stages: [
        {
          // The queries learn to speak through the frozen language model.
          ...{ name: 'generate', train: ['query_tokens', 'qformer.**', 'language_projection.**'] },
          ...{ data: 'blip-129m', objective: nextToken(), batch: 1920, length: steps(80_000) },
          optimizer: adamw({ lr: 1e-4, warmup: steps(2000), decay: 0.05, schedule: 'cosine' }),
        },
      ],
    }),
});
