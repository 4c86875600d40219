import { describe, expect, test } from 'vitest';
import { imageProcessor, imageProcessorOf, type Picture, plainPicture } from '../../src/media/index.js';
import type { HostArray } from '../../src/tensor/index.js';
import { bytesOf, largePicture, pictureOf, reference, sha256 } from './reference.js';

const at = 'preprocessor_config.json';
const grey = (width: number, height: number): Picture => plainPicture(width, height, [128, 128, 128]);

describe('image processors', () => {
  test.each(reference.processors.map((given, i) => ({ ...given, name: `${i} ${given.config.image_processor_type}` })))(
    '$name gives the values of transformers, bit for bit',
    async (given) => {
      const conversations = await Promise.all(given.pictures.map((names) => Promise.all(names.map(pictureOf))));
      const { tensors, pictures } = imageProcessor(given.config, at)(conversations);
      expect(tensors.pixel_values?.shape).toEqual(given.pixel_values.shape);
      expect(tensors.pixel_values?.data).toEqual(new Float32Array(bytesOf(given.pixel_values.f32).buffer));

      expect(tensors.pixel_attention_mask?.shape).toEqual(given.pixel_attention_mask?.shape);
      if (given.pixel_attention_mask) {
        const mask = BigInt64Array.from(bytesOf(given.pixel_attention_mask.u8), BigInt);
        expect(tensors.pixel_attention_mask?.data).toEqual(mask);
      }
      expect(pictures.map((list) => list.map(({ width, height }) => [width, height]))).toEqual(
        conversations.map((list) => list.map(({ width, height }) => [width, height])),
      );
      // transformers writes [0, 0] for a picture that was not split.
      if (given.grids) {
        expect(pictures.map((list) => list.map(({ grid }) => grid ?? [0, 0]))).toEqual(given.grids);
      }
    },
  );

  test('a photograph processed for CLIP at 336 pixels gives the values of transformers, bit for bit', () => {
    const { config, from, sha256: expected } = reference.large.processed;
    const { tensors } = imageProcessor(config, at)([[largePicture(from)]]);
    expect(sha256((tensors.pixel_values as HostArray).data)).toBe(expected);
  });

  test('the fast spelling and the feature extractor of old files name the same processor', () => {
    const shape = (type: Record<string, unknown>): readonly number[] | undefined =>
      imageProcessor({ ...type, size: 8, crop_size: 6 }, at)([[grey(9, 20)]]).tensors.pixel_values?.shape;
    expect(shape({ image_processor_type: 'CLIPImageProcessorFast' })).toEqual([1, 3, 6, 6]);
    expect(shape({ feature_extractor_type: 'CLIPFeatureExtractor' })).toEqual([1, 3, 6, 6]);
  });

  test('settings within processor_config.json go before preprocessor_config.json', () => {
    const preprocessor = { image_processor_type: 'SiglipImageProcessor', size: { height: 4, width: 4 } };
    const nested = { ...preprocessor, size: { height: 6, width: 6 } };
    const shapeFrom = (processor: unknown): readonly number[] | undefined =>
      imageProcessorOf({ processor, preprocessor })([[grey(9, 9)]]).tensors.pixel_values?.shape;
    expect(shapeFrom({ patch_size: 14 })).toEqual([1, 3, 4, 4]);
    expect(shapeFrom({ image_processor: nested })).toEqual([1, 3, 6, 6]);
    expect(() => shapeFrom({ image_processor: { ...nested, size: { height: '16', width: 6 } } })).toThrow(
      'processor_config.json: image_processor.size.height: expected a whole number from 1 on, got "16"',
    );
  });

  test('use_square_size makes both edges of Kosmos-2 as long as the shorter one', () => {
    const config = {
      image_processor_type: 'CLIPImageProcessor',
      size: { shortest_edge: 5 },
      do_center_crop: false,
      use_square_size: true,
    };
    expect(imageProcessor(config, at)([[grey(9, 20)]]).tensors.pixel_values?.shape).toEqual([1, 3, 5, 5]);
  });

  test.each([
    [
      { image_processor_type: 'ClipImageProcesor' },
      /image_processor_type: "ClipImageProcesor" is unknown; known are BitIm/,
    ],
    [{ image_processor_type: 'ClipImageProcesor' }, /Did you mean CLIPImageProcessor\?/],
    [{ image_processor_type: 'constructor' }, /"constructor" is unknown/],
    [{}, /feature_extractor_type: expected a text, got nothing/],
    [{ image_processor_type: 'ViTImageProcessor', size: { height: '16' } }, /: size\.width: expected a whole number/],
    [{ image_processor_type: 'ViTImageProcessor', size: { height: 0, width: 4 } }, /size\.height: .* from 1 on, got 0/],
    [{ image_processor_type: 'ViTImageProcessor', size: [4] }, /: size: expected \[height, width\]/],
    [{ image_processor_type: 'ViTImageProcessor', resample: 9 }, /: resample: expected one of 0 \(nearest\), .* got 9/],
    [{ image_processor_type: 'ViTImageProcessor', image_mean: [0.5] }, /: image_mean: expected three numbers, got 1/],
    [{ image_processor_type: 'ViTImageProcessor', image_std: [1, 0, 1] }, /: image_std: a deviation must not be 0/],
    [{ image_processor_type: 'JanusImageProcessor', size: { height: 4, width: 5 } }, /: size: expected a square/],
  ])('%j is refused: %s', (config, message) => {
    expect(() => imageProcessor(config, at)).toThrow(message);
  });

  test('pictures that do not make one tensor are refused with their sizes', () => {
    const config = { image_processor_type: 'ViTImageProcessor', do_resize: false };
    const process = imageProcessor(config, at);
    expect(() => process([[grey(4, 5)], [grey(5, 4)]])).toThrow(/pictures of 4 x 5 and 5 x 4 pixels/);
    expect(() => process([[]])).toThrow(/no picture to process/);
    const padded = imageProcessor({ ...config, do_pad: true, pad_size: { height: 4, width: 4 } }, at);
    expect(() => padded([[grey(4, 5)]])).toThrow(/4 x 5 pixels does not fit into 4 x 4/);
    const tiled = imageProcessor({ image_processor_type: 'SmolVLMImageProcessor', do_pad: false }, at);
    expect(() => tiled([[grey(400, 400)], []])).toThrow(/conversations of 17, 0 tiles need do_pad/);
  });
});
