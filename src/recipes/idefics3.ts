/**
 * Idefics3 and SmolVLM: SigLIP over tiles of a picture, pixel shuffle, a LLaMA-shaped language model.
 *
 * Laurençon et al., "Building and better understanding vision-language models", 2024, https://arxiv.org/abs/2408.12637;
 * Marafioti et al., "SmolVLM", 2025, https://arxiv.org/abs/2504.05299 (sizes: the published configurations)
 */
import { llama3Scaling } from '../nn/index.js';
import { llama } from '../parts/backbones/llama.js';
import { decoders, textBackboneOf } from '../parts/backbones/text-backbone.js';
import { idefics3Vision, readIdefics3Vision, tileInputs } from '../parts/encoders/idefics3-vision.js';
import { pixelShuffle } from '../parts/input-projectors/pixel-shuffle.js';
import { adamw, epochs, headAtRoot, nextToken, recipe, slot, system, tiled } from '../system/index.js';

const siglip = { image: 512, patch: 16, width: 768, depth: 12, heads: 12, hidden: 3072 };
/** SigLIP so400m at 364 pixels: 169 features a tile. */
const so400m = { image: 364, patch: 14, width: 1152, depth: 27, heads: 16, hidden: 4304 };
/** Llama 3.1, with three words more. */
const llama31 = {
  ...{ width: 4096, depth: 32, heads: 32, kvHeads: 8, hidden: 14336, vocab: 128259, context: 131072, epsilon: 1e-5 },
  rotary: { theta: 500000, scaling: llama3Scaling({ factor: 8, low: 1, high: 4, original: 8192 }) },
};
const smollm = { context: 8192, epsilon: 1e-5, rotary: { theta: 100000 } };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };
/** Files of the first models have the whole's `model_type`. */
const seers = ['idefics3', 'idefics3_vision', 'smolvlm', 'smolvlm_vision'];
const stage = { objective: nextToken(), optimizer: adamw({ lr: 2e-5 }) };

export const idefics3 = recipe({
  name: 'idefics3',
  modelTypes: ['idefics3', 'smolvlm'],
  published: ['HuggingFaceTB/SmolVLM-256M-Instruct', 'HuggingFaceM4/Idefics3-8B-Llama3'],
  sizes: {
    'smolvlm-256m': {
      ...{ vision: siglip, factor: 4, token: 49190 },
      language: llama({ ...smollm, width: 576, depth: 30, heads: 9, kvHeads: 3, hidden: 1536, vocab: 49280 }),
    },
    '8b': { vision: so400m, factor: 2, token: 128257, language: llama(llama31) },
    tiny: {
      ...{ vision: { ...siglip, ...tiny, image: 32 }, factor: 2, token: 255 },
      language: llama({ ...smollm, ...tiny, vocab: 256, tied: true }),
    },
  },
  read: (config) => ({
    vision: readIdefics3Vision(config.part('vision_config', ...seers)),
    factor: config.count('scale_factor', 2),
    token: config.whole('image_token_id', 128257),
    // Only where there is no text_config at all is the epsilon another than LLaMA's.
    language: textBackboneOf(config.filled('text_config', { rms_norm_eps: 1e-5 }).object('text_config'), {
      takes: decoders,
      tied: config.flag('tie_word_embeddings', false),
    }),
  }),
  build: ({ vision, factor, language, token }, name) =>
    system({
      name,
      paper: 'arXiv:2408.12637',
      inputs: {
        image: {
          encoder: slot(idefics3Vision(vision), { prefix: 'model.vision_model' }),
          projector: slot(pixelShuffle(factor), { prefix: 'model.connector' }),
          ...{ token, prompt: tiled, rows: true, ...tileInputs(vision) },
        },
      },
      backbone: slot(language, { prefix: 'language_model' }),
      renames: [headAtRoot('language_model', 'model.text_model')],
      stages: [{ ...stage, name: 'instruct', train: ['**'], batch: 128, length: epochs(1) }],
    }),
});
