/**
 * SigLIP: pictures and texts in one space, every pair judged for itself; and its vision tower alone.
 *
 * Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023, https://arxiv.org/abs/2303.15343
 */
import { readSiglipText, readSiglipVision, siglipTextTower, siglipVisionTower } from '../parts/encoders/siglip.js';
import { dualEncoder, recipe, sigmoidMatching, singleTower, slot } from '../system/index.js';

const base = { width: 768, depth: 12, heads: 12, hidden: 3072 };
const so400m = { width: 1152, depth: 27, heads: 16, hidden: 4304 }; // "shape optimised", 400 million: arXiv:2305.13035
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };
const words = { vocab: 32000, context: 64 };
const paper = 'arXiv:2303.15343';

export const siglip = recipe({
  name: 'siglip',
  modelTypes: ['siglip'],
  published: ['google/siglip-base-patch16-224'],
  sizes: {
    'so400m-patch14-384': { vision: { ...so400m, image: 384, patch: 14 }, text: { ...so400m, ...words } },
    'base-patch16-224': { vision: { ...base, image: 224, patch: 16 }, text: { ...base, ...words } },
    tiny: { vision: { ...tiny, image: 32, patch: 8 }, text: { ...tiny, vocab: 256, context: 16 } },
  },
  read: (config) => ({
    vision: readSiglipVision(config.part('vision_config', 'siglip_vision_model')),
    text: readSiglipText(config.part('text_config', 'siglip_text_model')),
  }),
  build: ({ vision, text }, name) =>
    dualEncoder({
      ...{ name, paper },
      image: slot(siglipVisionTower(vision), { prefix: 'vision_model' }),
      text: slot(siglipTextTower(text), { prefix: 'text_model' }),
      matching: sigmoidMatching(),
    }),
});

export const siglipVisionAlone = recipe({
  name: 'siglip-vision',
  modelTypes: ['siglip_vision_model'],
  sizes: {
    'so400m-patch14-384': { ...so400m, image: 384, patch: 14 },
    tiny: { ...tiny, image: 32, patch: 8 },
  },
  read: (config) => readSiglipVision(config),
  build: (vision, name) =>
    singleTower('image', slot(siglipVisionTower(vision), { prefix: 'vision_model' }), { name, paper }),
});
