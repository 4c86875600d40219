import { expect, test } from 'vitest';
import { clip, clipTextAlone } from '../../src/recipes/index.js';
import { declarationsOf, type Network, parameterCount } from '../../src/system/index.js';
import { fields } from '../../src/tensor/index.js';
import { expectFixture } from '../fixture.js';

test('CLIP scores, loss and gradients equal the reference, the end of texts being their largest id', () =>
  expectFixture('clip'));

test('CLIP with gelu and an end token of its own equals the reference', () => expectFixture('clip-gelu'));

test('the vision tower alone equals the reference', () => expectFixture('clip-vision'));

test('the projecting vision tower alone equals the reference', () =>
  expectFixture('clip-vision-projection', '', { upstream_pooled: 'upstream_image_embeds' }));

test('where a file describes a tower twice, the dictionary counts', () => {
  const text_config = { hidden_size: 16, num_attention_heads: 2, hidden_act: 'gelu' };
  const text_config_dict = { ...text_config, hidden_size: 24 };
  const network = clip.fromConfig(fields({ model_type: 'clip', text_config, text_config_dict }, 'config.json'));
  expect(declarationsOf(network).get('text_model.final_layer_norm.weight')?.shape).toEqual([24]);
});

test('published sizes hold as many numbers as the published files', () => {
  const count = (network: Network): number => parameterCount(declarationsOf(network).values());
  expect(count(clip('vit-l-14'))).toBe(427_616_513);
  expect(count(clip('vit-b-32'))).toBe(151_277_313);
  expect(count(clipTextAlone('vit-l-14'))).toBe(123_060_480);
});
