import { expect, test } from 'vitest';
import { traceNetwork } from '../../src/model/index.js';
import { clip, clipTextAlone } from '../../src/recipes/index.js';
import { declarationsOf, type Network, parameterCount } from '../../src/system/index.js';
import { fields, type HostArray } from '../../src/tensor/index.js';
import { expectFixture, expectSame, fixtureTensors, withModel } from '../fixture.js';

test('CLIP scores, loss and gradients equal the reference, the end of texts being their largest id', () =>
  expectFixture('clip'));

test.for(['clip', 'siglip'])(
  '%s compares any texts with any pictures; the loss needs as many of both',
  async (name) => {
    const [given, expected] = [await fixtureTensors(name, 'inputs'), await fixtureTensors(name, 'expected')];
    const three = { ...given, pixel_values: rows(given.pixel_values as HostArray, 3) };
    await withModel(name, async (model) => {
      const found = await traceNetwork(model, three);
      const scores = rows(expected.logits_per_image as HostArray, 3);
      expectSame(found.logits_per_image, scores, 'logits_per_image', { rtol: 1e-4, atol: 0 });
      expect(found.logits_per_text?.shape).toEqual([4, 3]);
      expect(found).not.toHaveProperty('loss');
      await expect(traceNetwork(model, three, { want: ['loss'] })).rejects.toThrow('no output "loss" for these inputs');
      await expect(traceNetwork(model, three, { gradients: ['**'] })).rejects.toThrow('gradients need a loss');
    });
  },
);

const rows = ({ dtype, shape: [all = 1, ...rest], data }: HostArray, count: number): HostArray => ({
  ...{ dtype, shape: [count, ...rest] },
  data: data.slice(0, (data.length / all) * count),
});

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
