/**
 * CLIP: pictures and texts in one space, each picking its partner among all of a batch; and either tower alone.
 *
 * Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
 * https://arxiv.org/abs/2103.00020 (sizes: tables 19 and 20)
 */
import { clipVisionTower, readClipVision } from '../parts/encoders/clip.js';
import { clipTextTower, readClipText } from '../parts/encoders/clip-text.js';
import { dualEncoder, recipe, singleTower, slot, softmaxMatching } from '../system/index.js';
import type { Fields } from '../tensor/index.js';

const words = { vocab: 49408, context: 77, end: 2 };
const large = {
  vision: { image: 224, patch: 14, width: 1024, depth: 24, heads: 16, hidden: 4096 },
  text: { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 },
};
const base = {
  vision: { image: 224, patch: 32, width: 768, depth: 12, heads: 12, hidden: 3072 },
  text: { ...words, width: 512, depth: 12, heads: 8, hidden: 2048 },
};
const blocks = { width: 32, depth: 2, heads: 4, hidden: 48 };
const tiny = {
  vision: { image: 28, patch: 7, ...blocks },
  text: { vocab: 256, context: 24, ...blocks },
};
const paper = 'arXiv:2103.00020';

export const clip = recipe({
  name: 'clip',
  modelTypes: ['clip'],
  sizes: {
    'vit-l-14': { ...large, projection: 768 },
    'vit-b-32': { ...base, projection: 512 },
    tiny: { ...tiny, projection: 24 },
  },
  read: (config) => ({
    vision: readClipVision(config.object('vision_config', { optional: true })),
    text: readClipText(config.object('text_config', { optional: true })),
    projection: config.whole('projection_dim', 512),
  }),
  build: ({ vision, text, projection }, name) =>
    dualEncoder({
      ...{ name, paper, projection },
      image: slot(clipVisionTower(vision), { prefix: 'vision_model' }),
      text: slot(clipTextTower(text), { prefix: 'text_model' }),
      matching: softmaxMatching(),
    }),
});

/** The width of the common space, of a tower that projects into it. */
function readProjection(config: Fields): number | undefined {
  const projects = config.texts('architectures', []).some((name) => name.endsWith('WithProjection'));
  return projects ? config.whole('projection_dim', 512) : undefined;
}

export const clipVisionAlone = recipe({
  name: 'clip-vision',
  modelTypes: ['clip_vision_model'],
  sizes: {
    'vit-l-14': { vision: large.vision, projection: undefined },
    tiny: { vision: tiny.vision, projection: 24 },
  },
  read: (config) => ({ vision: readClipVision(config), projection: readProjection(config) }),
  build: ({ vision, projection }, name) =>
    singleTower('image', slot(clipVisionTower(vision), { prefix: 'vision_model' }), { name, paper, projection }),
});

export const clipTextAlone = recipe({
  name: 'clip-text',
  modelTypes: ['clip_text_model'],
  sizes: {
    'vit-l-14': { text: large.text, projection: undefined },
    tiny: { text: tiny.text, projection: 24 },
  },
  read: (config) => ({ text: readClipText(config), projection: readProjection(config) }),
  build: ({ text, projection }, name) =>
    singleTower('text', slot(clipTextTower(text), { prefix: 'text_model' }), { name, paper, projection }),
});
