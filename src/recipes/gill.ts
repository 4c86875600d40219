/**
 * GILL: a frozen OPT that sees pictures through CLIP and paints them by Stable Diffusion, told by the states of eight tokens.
 *
 * Koh et al., "Generating Images with Multimodal Language Models", 2023, https://arxiv.org/abs/2305.17216 (sizes and training:
 * section 3 and appendix B)
 */
import { opt, readOpt } from '../parts/backbones/opt.js';
import { clipVector, readClipVision } from '../parts/encoders/clip.js';
import { prefixProjector } from '../parts/input-projectors/prefix.js';
import { mapper, readMapper } from '../parts/output-projectors/mapper.js';
import { adamw, pictureCondition, recipe, repeated, sayPictures, slot, steps, system } from '../system/index.js';
import { stableDiffusion } from './stable-diffusion.js';

const vitL = { image: 224, patch: 14, width: 1024, depth: 24, heads: 16, hidden: 4096 };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };
const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

export const gill = recipe({
  name: 'gill',
  modelTypes: ['gill'],
  sizes: {
    'opt-6.7b': {
      language: { width: 4096, depth: 32, heads: 32, hidden: 16384, vocab: 50276 },
      ...{ vision: vitL, mapping: { queries: 77 }, generator: stableDiffusion('1.5') },
      ...{ seen: { tokens: 4, token: 50266 }, signals: from(50267, 8) },
    },
    tiny: {
      ...{ vision: { ...tiny, image: 28, patch: 14 }, language: { ...tiny, vocab: 256, context: 64 } },
      ...{ mapping: { queries: 6, width: 16, depth: 1, heads: 2 }, generator: stableDiffusion('tiny') },
      ...{ seen: { tokens: 2, token: 245 }, signals: from(246, 3) },
    },
  },
  read: (config) => ({
    vision: readClipVision(config.part('vision_config', 'clip_vision_model')),
    language: readOpt(config.object('text_config')),
    mapping: readMapper(config.object('mapper_config')),
    generator: stableDiffusion.fromConfig(config.object('generator_config')),
    seen: { tokens: config.whole('image_tokens'), token: config.whole('image_token_id') },
    signals: config.numbers('signal_token_ids'),
  }),
  build: ({ vision, language, mapping, generator, seen, signals }, name) =>
    system({
      name,
      paper: 'arXiv:2305.17216',
      inputs: {
        image: {
          encoder: slot(clipVector(vision), { prefix: 'visual_model', from: 'openai/clip-vit-large-patch14' }),
          projector: slot(prefixProjector(seen), { prefix: 'visual_embeddings' }),
          ...{ token: seen.token, prompt: repeated('<image>') },
        },
      },
      backbone: slot(opt(language), { prefix: 'lm', from: 'facebook/opt-6.7b' }),
      outputs: {
        image: pictureCondition({
          tokens: signals,
          projector: slot(mapper(mapping), { prefix: 'gen_text_hidden_fcs.0' }),
          generator: slot(generator, { prefix: 'generator', from: 'stable-diffusion-v1-5/stable-diffusion-v1-5' }),
        }),
      },
      stages: [
        {
          name: 'align', // only what lies between the frozen models learns
          train: ['visual_embeddings.**', 'gen_text_hidden_fcs.**'],
          data: 'cc3m',
          objective: sayPictures({ diffuse: 0 }),
          optimizer: adamw({ lr: 1e-3, betas: [0.9, 0.95], warmup: steps(2000) }),
          ...{ batch: 200, length: steps(20_000) },
        },
      ],
    }),
});
