/**
 * LLaVA-1.5: a CLIP vision tower, a perceptron of two layers and Vicuna.
 * Liu et al., 2023, https://arxiv.org/abs/2310.03744 (schedules: appendix, table of hyperparameters)
 */
import { llama } from '../parts/backbones/llama.js';
import { decoders, textBackboneOf } from '../parts/backbones/text-backbone.js';
import { clipVision, readClipVision } from '../parts/encoders/clip.js';
import { readFeatures } from '../parts/encoders/layer-features.js';
import { readSiglipVision, siglipVision } from '../parts/encoders/siglip.js';
import { mlpProjector, readMlpProjector } from '../parts/input-projectors/mlp.js';
import type { Encoder } from '../parts/types.js';
import { adamw, epochs, headAtRoot, nextToken, type Renames, recipe, repeated, slot, system } from '../system/index.js';
import type { Fields } from '../tensor/index.js';

// Penultimate layer, class token dropped: (336 / 14)^2 = 576 tokens a picture.
const clip = { image: 336, patch: 14, width: 1024, depth: 24, heads: 16, hidden: 4096, layers: [-2], keepClass: false };
const vicuna = { width: 4096, depth: 32, heads: 32, hidden: 11008, vocab: 32064, context: 4096, epsilon: 1e-5 };
const vicuna13 = { ...vicuna, width: 5120, depth: 40, heads: 40, hidden: 13824 };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };
const between = { projector: {}, token: 32000 };

const stage = { objective: nextToken(), length: epochs(1) };
const rate = (lr: number) => ({ optimizer: adamw({ lr, warmup: 0.03, schedule: 'cosine' }) });
const align = { data: 'llava-pretrain-558k', ...rate(1e-3), batch: 256 };
const instruct = { data: 'llava-instruct-665k', ...rate(2e-5), batch: 128 };
const [connector, body] = ['multi_modal_projector.**', 'language_model.**'];

/** The names that transformers 5 has in memory, those that it had before, and those that it writes. */
const renames: readonly Renames[] = [
  ...['vision_tower.vision_model', 'vision_tower'].map(
    (tower): Renames => [
      ...headAtRoot('language_model', 'model.language_model'),
      [tower, 'model.vision_tower'],
      ['multi_modal_projector', 'model.multi_modal_projector'],
    ],
  ),
  [['vision_tower.vision_model', 'vision_tower']],
];

/** What a configuration without a tower means. */
const usual = {
  ...{ image_size: 336, patch_size: 14, hidden_size: 1024, intermediate_size: 4096 },
  ...{ num_hidden_layers: 24, num_attention_heads: 16 },
};

/** LLaVA's own tower is CLIP's; some of its kin look through SigLIP's. */
function readVision(config: Fields): Encoder {
  const vision = config
    .filled('vision_config', usual)
    .part('vision_config', 'clip_vision_model', 'siglip_vision_model');
  const features = readFeatures(config);
  return vision.text('model_type', '') === 'siglip_vision_model'
    ? siglipVision({ ...readSiglipVision(vision), ...features })
    : clipVision({ ...readClipVision(vision), ...features });
}

export const llava15 = recipe({
  name: 'llava-1.5',
  modelTypes: ['llava'],
  published: ['llava-hf/llava-1.5-7b-hf', 'llava-hf/llava-1.5-13b-hf'],
  sizes: {
    '7b': { ...between, vision: clipVision(clip), language: llama(vicuna) },
    '13b': { ...between, vision: clipVision(clip), language: llama(vicuna13) },
    tiny: { ...between, vision: clipVision({ ...clip, ...tiny, image: 28 }), language: llama({ ...vicuna, ...tiny }) },
  },
  read: (config) => ({
    vision: readVision(config),
    language: textBackboneOf(config.object('text_config', { optional: true }), {
      takes: decoders,
      ...(config.flag('tie_word_embeddings', false) ? { tied: true } : {}),
    }),
    projector: readMlpProjector(config),
    token: config.whole('image_token_id', config.whole('image_token_index', 32000)),
  }),
  build: ({ vision, language, projector, token }, name) =>
    system({
      name,
      paper: 'arXiv:2310.03744',
      inputs: {
        image: {
          encoder: slot(vision, { prefix: 'vision_tower', from: 'openai/clip-vit-large-patch14-336' }),
          projector: slot(mlpProjector(projector), { prefix: 'multi_modal_projector' }),
          ...{ token, prompt: repeated('<image>'), rows: true },
        },
      },
      backbone: slot(language, { prefix: 'language_model', from: 'lmsys/vicuna-7b-v1.5' }),
      renames,
      stages: [
        { ...stage, ...align, name: 'align', train: [connector] },
        { ...stage, ...instruct, name: 'instruct', train: [connector, body] },
      ],
    }),
});
