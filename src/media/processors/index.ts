/**
 * Image processors as preprocessor_config.json describes them, equal to the Pillow processors of transformers 5.23.
 * The `...Fast` spellings, which name torchvision implementations of the same settings, are taken as the Pillow ones.
 * Pictures are RGB already, so that do_convert_rgb has no say.
 */

import { type Fields, fields, nearest, QuintetError } from '../../tensor/index.js';
import { idefics3Processor } from './idefics3.js';
import { janusProcessor } from './janus.js';
import type { ImageProcessor } from './pixels.js';
import { llavaProcessor, plainProcessor } from './plain.js';

export type { ImageProcessor, PictureLayout, Pixels } from './pixels.js';

interface ProcessorFamily {
  /** What a sparse file leaves out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  read(f: Fields): ImageProcessor;
}

const clipColours = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};
const evenColours = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
const common = {
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  rescale_factor: 1 / 255,
  resample: 3,
  default_to_square: true,
};

const clip: ProcessorFamily = {
  defaults: {
    ...common,
    ...clipColours,
    default_to_square: false,
    size: { shortest_edge: 224 },
    do_center_crop: true,
    crop_size: { height: 224, width: 224 },
  },
  // Kosmos-2's way to say that the edge is both height and width. transformers 5.23 takes its default edge of 224 there,
  // whatever the file gives; the published file gives 224.
  read: (f) => {
    if (!f.flag('use_square_size', false)) return plainProcessor(f);
    const size = f.object('size').raw.shortest_edge;
    return plainProcessor(fields({ ...f.raw, size, default_to_square: true }, f.at));
  },
};
const idefics3: ProcessorFamily = {
  defaults: {
    ...common,
    ...evenColours,
    resample: 1,
    size: { longest_edge: 1456 },
    max_image_size: { longest_edge: 364 },
    do_image_splitting: true,
    do_pad: true,
  },
  read: idefics3Processor,
};

/** By the image_processor_type of the file. */
export const imageProcessors: Readonly<Record<string, ProcessorFamily>> = {
  BitImageProcessor: { defaults: clip.defaults, read: plainProcessor },
  BlipImageProcessor: {
    defaults: { ...common, ...clipColours, size: { height: 384, width: 384 } },
    read: plainProcessor,
  },
  CLIPImageProcessor: clip,
  Idefics3ImageProcessor: idefics3,
  JanusImageProcessor: {
    defaults: { ...common, ...clipColours, size: { height: 384, width: 384 }, min_size: 14, do_pad: true },
    read: janusProcessor,
  },
  LlavaImageProcessor: { defaults: clip.defaults, read: llavaProcessor },
  SiglipImageProcessor: {
    defaults: { ...common, ...evenColours, default_to_square: false, size: { height: 224, width: 224 } },
    read: plainProcessor,
  },
  SmolVLMImageProcessor: idefics3,
  ViTImageProcessor: {
    defaults: { ...common, ...evenColours, resample: 2, size: { height: 224, width: 224 } },
    read: plainProcessor,
  },
};

/** The processor that the parsed settings describe. `at` names their file for error messages. */
export function imageProcessor(config: unknown, at: string): ImageProcessor {
  const f = fields(config, at);
  const type = typeOf(f);
  const family = Object.hasOwn(imageProcessors, type) ? imageProcessors[type] : undefined;
  if (family === undefined) {
    const known = Object.keys(imageProcessors);
    const guess = nearest(type, known);
    throw new QuintetError('name', `"${type}" is unknown; known are ${known.join(', ')}`, {
      at: `${at}: image_processor_type`,
      ...(guess === undefined ? {} : { hint: `Did you mean ${guess}?` }),
    });
  }
  return family.read(fields({ ...family.defaults, ...f.raw }, at));
}

/** Files from before transformers 4.25 name a feature extractor only. */
function typeOf(f: Fields): string {
  const type = f.has('image_processor_type')
    ? f.text('image_processor_type')
    : f.text('feature_extractor_type').replace('FeatureExtractor', 'ImageProcessor');
  return type.endsWith('Fast') ? type.slice(0, -'Fast'.length) : type;
}

/**
 * The processor of a model folder: from `image_processor` within processor_config.json, where transformers 5 writes it,
 * otherwise from preprocessor_config.json. Both are given parsed, where they exist.
 */
export function imageProcessorOf(files: {
  readonly processor?: unknown;
  readonly preprocessor?: unknown;
}): ImageProcessor {
  const processor = files.processor === undefined ? undefined : fields(files.processor, 'processor_config.json');
  if (processor?.has('image_processor')) {
    const nested = processor.object('image_processor');
    return imageProcessor(nested.raw, nested.at);
  }
  if (files.preprocessor === undefined) {
    throw new QuintetError('not-found', 'there is none, so how pictures are prepared is not known', {
      at: 'preprocessor_config.json',
      hint: 'Copy it from where the model was published; it begins with {"image_processor_type": "CLIPImageProcessor", …}.',
    });
  }
  return imageProcessor(files.preprocessor, 'preprocessor_config.json');
}
