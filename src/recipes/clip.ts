/**
 * CLIP: pictures and texts in one space, each picking its partner among all of a batch.
 *
 * Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
 * https://arxiv.org/abs/2103.00020 (sizes: tables 19 and 20)
 */
import { clipVisionTower, readClipVision } from '../parts/encoders/clip.js';
import { clipTextTower, readClipText } from '../parts/encoders/clip-text.js';
import { dualEncoder, recipe, slot, softmaxMatching } from '../system/index.js';
import type { Fields } from '../tensor/index.js';

const words = { vocab: 49408, context: 77, end: 2 };
const blocks = { width: 32, depth: 2, heads: 4, hidden: 48 };

export const clipSizes = {
  'vit-l-14': {
    vision: { image: 224, patch: 14, width: 1024, depth: 24, heads: 16, hidden: 4096 },
    text: { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 },
    projection: 768,
  },
  'vit-b-32': {
    vision: { image: 224, patch: 32, width: 768, depth: 12, heads: 12, hidden: 3072 },
    text: { ...words, width: 512, depth: 12, heads: 8, hidden: 2048 },
    projection: 512,
  },
  tiny: {
    vision: { image: 28, patch: 7, ...blocks },
    text: { vocab: 256, context: 24, ...blocks },
    projection: 24,
  },
};

/** Of files that describe a tower twice, as early ones do, the `_dict` counts. */
const nameOf = (config: Fields, tower: string): string => (config.has(`${tower}_dict`) ? `${tower}_dict` : tower);

export const clip = recipe({
  name: 'clip',
  modelTypes: ['clip'],
  published: ['openai/clip-vit-large-patch14'],
  sizes: clipSizes,
  read: (config) => ({
    vision: readClipVision(config.part(nameOf(config, 'vision_config'), 'clip_vision_model')),
    text: readClipText(config.part(nameOf(config, 'text_config'), 'clip_text_model')),
    projection: config.count('projection_dim', 512),
  }),
  build: ({ vision, text, projection }, name) =>
    dualEncoder({
      ...{ name, paper: 'arXiv:2103.00020', projection },
      image: slot(clipVisionTower(vision), { prefix: 'vision_model' }),
      text: slot(clipTextTower(text), { prefix: 'text_model' }),
      matching: softmaxMatching(),
    }),
});
