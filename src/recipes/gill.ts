/**
 * GILL: a frozen OPT that sees pictures through CLIP, finds them again, and paints them by Stable Diffusion, told by the
 * states of eight tokens.
 *
 * Koh et al., "Generating Images with Multimodal Language Models", 2023, https://arxiv.org/abs/2305.17216 (sizes and training:
 * section 3 and appendix B)
 */
import { opt } from '../parts/backbones/opt.js';
import { textBackboneOf } from '../parts/backbones/text-backbone.js';
import { clipVector, readClipVision } from '../parts/encoders/clip.js';
import { prefixProjector } from '../parts/input-projectors/prefix.js';
import { mapper, readMapper } from '../parts/output-projectors/mapper.js';
import { adamw, pictureCondition, recipe, repeated, sayPictures, slot, steps, system } from '../system/index.js';
import { clipSizes } from './clip.js';
import { stableDiffusion } from './stable-diffusion.js';

const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };
const between = ['visual_embeddings.**', 'visual_fc.**', '{gen,ret}_text_hidden_fcs.**', 'logit_scale'];

export const gill = recipe({
  name: 'gill',
  modelTypes: ['gill'],
  sizes: {
    'opt-6.7b': {
      language: opt({ width: 4096, depth: 32, heads: 32, hidden: 16384, vocab: 50276 }),
      ...{ vision: clipSizes['vit-l-14'].vision, mapping: { queries: 77 }, generator: stableDiffusion('1.5') },
      ...{ seen: { tokens: 4, token: 50266 }, signals: { first: 50267, count: 8 }, common: 256 },
    },
    tiny: {
      language: opt({ ...tiny, vocab: 256, context: 64 }),
      ...{ vision: { ...tiny, image: 28, patch: 14 }, mapping: { queries: 6, width: 16, depth: 1, heads: 2 } },
      ...{ generator: stableDiffusion('tiny'), common: 12 },
      ...{ seen: { tokens: 2, token: 245 }, signals: { first: 246, count: 3 } },
    },
  },
  read: (config) => ({
    vision: readClipVision(config.part('vision_config', 'clip_vision_model')),
    language: textBackboneOf(config.object('text_config'), { takes: ['opt'], otherwise: 'opt' }),
    mapping: readMapper(config.object('mapper_config')),
    generator: stableDiffusion.fromConfig(config.object('generator_config')),
    seen: { tokens: config.count('image_tokens'), token: config.whole('image_token_id') },
    signals: { first: config.whole('signal_token_id'), count: config.count('signal_tokens', 8) },
    common: config.count('projection_dim', 256),
  }),
  build: ({ vision, language, mapping, generator, seen, signals: { first, count }, common }, name) =>
    system({
      ...{ name, paper: 'arXiv:2305.17216' },
      inputs: {
        image: {
          encoder: slot(clipVector(vision), { prefix: 'visual_model', from: 'openai/clip-vit-large-patch14' }),
          projector: slot(prefixProjector(seen), { prefix: 'visual_embeddings' }),
          ...{ token: seen.token, prompt: repeated('<image>') },
        },
      },
      backbone: slot(language, { prefix: 'lm', from: 'facebook/opt-6.7b' }),
      outputs: {
        image: pictureCondition({
          tokens: Array.from({ length: count }, (_, i) => first + i),
          projector: slot(mapper(mapping), { prefix: 'gen_text_hidden_fcs.0' }),
          generator: slot(generator, { prefix: 'generator', from: 'stable-diffusion-v1-5/stable-diffusion-v1-5' }),
          retrieval: { width: common, said: 'ret_text_hidden_fcs.0.model', seen: 'visual_fc' },
        }),
      },
      stages: [
        {
          // What lies between the frozen models learns, and of the language model the words that say a picture.
          ...{ name: 'align', train: [...between, `lm.model.decoder.embed_tokens.weight[${first}:${first + count}]`] },
          ...{ data: 'cc3m', objective: sayPictures({ diffuse: 0, retrieve: 1 }) },
          optimizer: adamw({ lr: 1e-3, betas: [0.9, 0.95], warmup: steps(2000) }),
          ...{ batch: 200, length: steps(20_000) },
        },
      ],
    }),
});
