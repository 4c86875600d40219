/**
 * Nano: Quintet's own small image-chat model, trained from nothing on drawings (`models/nano`).
 *
 * The composition is LLaVA's with a convolutional pyramid in place of the vision transformer, since that learns from far
 * fewer pictures. A picture becomes 3 by 3 features, one for each of its ninths.
 */
import { llama, readLlama } from '../parts/backbones/llama.js';
import { placesOf, pyramid, readPyramid } from '../parts/encoders/pyramid.js';
import { readMlpProjector } from '../parts/input-projectors/mlp.js';
import { placedMlp } from '../parts/input-projectors/placed-mlp.js';
import { adamw, muon, nameFeatures, nextToken, recipe, repeated, slot, steps, system } from '../system/index.js';

const language = { width: 192, depth: 4, heads: 6, hidden: 512, vocab: 719, context: 1024, tied: true };
const vision = { image: 72, strides: [4, 2, 3], widths: [64, 128, 384], depths: [1, 3, 2] };

const table = 'language_model.model.embed_tokens.weight';
const adam = { betas: [0.9, 0.98], decay: 0.05 } as const;

/** Each place of a picture is taught two words: the name of what is there, and its colour. */
const naming = (lr: number) => ({
  ...{ data: 'nano-scenes', objective: nameFeatures({ words: 2 }), batch: 32 },
  train: ['vision_tower.**', 'multi_modal_projector.**', table],
  optimizer: adamw({ ...adam, lr, minimum: 0.2, warmup: { steps: 30 }, schedule: 'cosine' }),
});

/** The language model alone. With AdamW attention needed several times as many steps to learn where to look. */
const answering = {
  ...{ data: 'nano-scenes', objective: nextToken(), batch: 64, train: ['language_model.**'] },
  optimizer: muon({
    ...{ lr: 0.02, warmup: { steps: 20 }, schedule: 'cosine', minimum: 0.05 },
    rest: { ...adam, lr: 1.5e-3, on: [table] },
  }),
};

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
    vision: readPyramid(config.part('vision_config', 'quintet_pyramid')),
    language: readLlama(config.part('text_config', 'llama')),
    projector: readMlpProjector(config),
    token: config.whole('image_token_id'),
  }),
  build: ({ vision, language, projector, token }, name) =>
    system({
      name,
      inputs: {
        image: {
          encoder: slot(pyramid(vision), { prefix: 'vision_tower' }),
          projector: slot(placedMlp({ ...projector, places: placesOf(vision) }), { prefix: 'multi_modal_projector' }),
          ...{ token, prompt: repeated('<image>'), single: true },
        },
      },
      backbone: slot(llama(language), { prefix: 'language_model' }),
      stages: [
        { ...naming(1e-3), name: 'names', length: steps(400) },
        { ...naming(7e-4), name: 'places', length: steps(600) },
        { ...answering, name: 'read', length: steps(600) },
        { ...answering, name: 'find', length: steps(800) },
        { ...answering, name: 'answer', length: steps(2700) },
      ],
    }),
});
