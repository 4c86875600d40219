/**
 * Nano: Quintet's own small image-chat model, trained from nothing on drawings (`models/nano`).
 *
 * The composition is LLaVA's with a convolutional pyramid in place of the vision transformer, since that learns from far
 * fewer pictures. A picture becomes 3 by 3 features, one for each of its ninths.
 */
import { llama, readLlama } from '../parts/backbones/llama.js';
import { pyramid, readPyramid } from '../parts/encoders/pyramid.js';
import { mlpProjector, readMlpProjector } from '../parts/input-projectors/mlp.js';
import { adamw, nextToken, recipe, repeated, slot, steps, system } from '../system/index.js';

const language = { width: 192, depth: 4, heads: 6, hidden: 512, vocab: 784, context: 1024, tied: true };
const vision = { image: 72, strides: [4, 2, 3], widths: [64, 128, 384], depths: [1, 3, 2] };

export const nano = recipe({
  name: 'nano',
  modelTypes: ['quintet_nano'],
  sizes: {
    '6m': { vision, language, projector: {}, token: 1 },
    tiny: {
      vision: { image: 16, strides: [4, 2], widths: [8, 16], depths: [1, 1] },
      language: { ...language, width: 32, depth: 2, heads: 2, hidden: 48 },
      projector: {},
      token: 1,
    },
  },
  read: (config) => ({
    vision: readPyramid(config.object('vision_config')),
    language: readLlama(config.object('text_config')),
    projector: readMlpProjector(config),
    token: config.whole('image_token_id'),
  }),
  build: ({ vision, language, projector, token }, name) =>
    system({
      name,
      inputs: {
        image: {
          encoder: slot(pyramid(vision), { prefix: 'vision_tower' }),
          projector: slot(mlpProjector(projector), { prefix: 'multi_modal_projector' }),
          ...{ token, prompt: repeated('<image>') },
        },
      },
      backbone: slot(llama(language), { prefix: 'language_model' }),
      stages: [
        {
          name: 'instruct',
          train: ['**'],
          data: 'nano-scenes',
          objective: nextToken(),
          optimizer: adamw({ lr: 1e-3, betas: [0.9, 0.98], decay: 0.05, warmup: { steps: 50 }, schedule: 'cosine' }),
          batch: 32,
          length: steps(3000),
        },
      ],
    }),
});
