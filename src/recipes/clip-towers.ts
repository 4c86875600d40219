/**
 * Either of CLIP's towers alone, as the systems that are built of them publish it.
 *
 * Radford et al., 2021, https://arxiv.org/abs/2103.00020
 */
import { clipVisionTower, readClipVision } from '../parts/encoders/clip.js';
import { clipTextTower, readClipText } from '../parts/encoders/clip-text.js';
import { readProjection, recipe, singleTower, slot } from '../system/index.js';
import { clipSizes } from './clip.js';

const paper = 'arXiv:2103.00020';
const { 'vit-l-14': large, tiny } = clipSizes;

export const clipVisionAlone = recipe({
  name: 'clip-vision',
  modelTypes: ['clip_vision_model'],
  sizes: { 'vit-l-14': { vision: large.vision }, tiny: { vision: tiny.vision, projection: tiny.projection } },
  read: (config) => ({ vision: readClipVision(config), ...readProjection(config) }),
  build: ({ vision, projection }, name) =>
    singleTower('image', slot(clipVisionTower(vision), { prefix: 'vision_model' }), { name, paper, projection }),
});

export const clipTextAlone = recipe({
  name: 'clip-text',
  modelTypes: ['clip_text_model'],
  sizes: { 'vit-l-14': { text: large.text }, tiny: { text: tiny.text, projection: tiny.projection } },
  read: (config) => ({ text: readClipText(config), ...readProjection(config) }),
  build: ({ text, projection }, name) =>
    singleTower('text', slot(clipTextTower(text), { prefix: 'text_model' }), { name, paper, projection }),
});
