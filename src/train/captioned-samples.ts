/** Captioned pictures as the batches of a run: for networks that compare the two. */

import { captionOf, createPictureReader, type Dataset, type PictureSettings } from '../data/index.js';
import { createTextReader, type Model } from '../model/index.js';
import { isDualEncoder, isImageText } from '../system/index.js';
import { concatRows, type HostArray, QuintetError } from '../tensor/index.js';
import type { SampleOptions } from './samples.js';
import { checkNeighbours, type MadeSample, type StepSamples, stepSamples } from './step-samples.js';
import type { BatchSource } from './train.js';

export interface CaptionedPicture extends MadeSample {
  readonly caption: string;
  /** [1, 3, height, width] */
  readonly pixels: HostArray;
}

/** A dataset of pictures with a caption each; `close` ends the threads that read pictures. */
export function captionedPictures(
  dataset: Dataset,
  settings: PictureSettings,
  options: SampleOptions,
): StepSamples<CaptionedPicture> & Required<Pick<BatchSource, 'close'>> {
  const reader = createPictureReader(settings);
  const samples = stepSamples<CaptionedPicture>(dataset, options, async (sample) => {
    const caption = captionOf(sample);
    const { tensors } = await reader.read(sample);
    return { caption, pixels: tensors.pixel_values as HostArray };
  });
  return { ...samples, close: reader.close };
}

/** All texts and all pictures of a step, as a network that compares them takes them. */
export function contrastBatches(model: Model, dataset: Dataset, options: SampleOptions): BatchSource {
  const { network, files } = model;
  if (!isDualEncoder(network) && !isImageText(network)) {
    throw new QuintetError('unsupported', 'it does not compare texts with pictures', {
      at: model.path ?? network.name,
    });
  }
  checkNeighbours('captions are compared with each other', dataset, options);
  const read = createTextReader(model);
  const settings = { processor: files?.processorConfig, preprocessor: files?.preprocessorConfig };
  const samples = captionedPictures(dataset, settings, options);
  return {
    ...samples,
    fields: [...Object.keys(read([''])), 'pixel_values'],
    async take(step) {
      const pairs = await samples.take(step);
      const texts = read(pairs.map(({ caption }) => caption));
      return [{ ...texts, pixel_values: concatRows(pairs.map(({ pixels }) => pixels)) }];
    },
  };
}
