/** Captioned pictures with the noise that is to be found in them, as the batches of a run. */

import { type Dataset, pieces } from '../data/index.js';
import { createTextReader, type Model } from '../model/index.js';
import { alone, partOf } from '../parallel/group.js';
import { coderInputs, isLatentDiffusion, type LatentDiffusion } from '../system/index.js';
import { concatRows, type HostArray, hostArray, QuintetError, Random, seedFor } from '../tensor/index.js';
import { captionedPictures } from './captioned-samples.js';
import type { SampleOptions } from './samples.js';
import type { BatchSource } from './train.js';

/** What is drawn for each picture anew each time that it comes: the noise of its latents, and how much there is of it. */
export function noisyBatches(model: Model, dataset: Dataset, options: SampleOptions): BatchSource {
  const { network } = model;
  if (!isLatentDiffusion(network)) {
    throw new QuintetError('unsupported', 'it takes no noise out of pictures', { at: model.path ?? network.name });
  }
  const { batch, microBatch = batch, seed = 0, share = alone } = options;
  const { part } = network.autoencoder;
  const [, ...shape] = coderInputs(part).posterior_noise.shape as readonly number[];
  const read = createTextReader(model);
  const samples = captionedPictures(dataset, { preprocessor: squares(part.image), processor: undefined }, options);
  const { from } = partOf(batch, share);
  return {
    ...samples,
    fields: ['input_ids', 'pixel_values', 'posterior_noise', 'noise', 'timestep'],
    async take(step) {
      const rows = (await samples.take(step)).map((pair, i) => ({
        // The same row has the same noise, whoever computes it beside which others.
        ...{ pair, ...drawn(network.noise, shape, new Random(seedFor(seed, 'noise', step, from + i))) },
      }));
      return pieces(rows, microBatch).map((part) => {
        const times = part.map(({ time }) => time);
        return {
          ...read(part.map(({ pair }) => pair.caption)),
          pixel_values: concatRows(part.map(({ pair }) => pair.pixels)),
          posterior_noise: concatRows(part.map(({ coding }) => coding)),
          noise: concatRows(part.map(({ noise }) => noise)),
          timestep: hostArray('f32', [part.length], times),
        };
      });
    },
  };
}

/** The middle of a picture as a square between -1 and 1, as the training scripts of diffusers take it. */
const squares = (side: number) => ({
  image_processor_type: 'CLIPImageProcessor',
  ...{ do_resize: true, size: { shortest_edge: side }, resample: 1 },
  ...{ do_center_crop: true, crop_size: { height: side, width: side } },
  ...{ do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, do_convert_rgb: true },
  ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
});

type NoiseSchedule = LatentDiffusion['noise'];

function drawn(schedule: NoiseSchedule, shape: readonly number[], random: Random) {
  const time = momentOf(schedule, random);
  const size = shape.reduce((a, b) => a * b, 1);
  const normal = (): HostArray =>
    hostArray(
      'f32',
      [1, ...shape],
      Array.from({ length: size }, () => random.normal()),
    );
  return { time, noise: normal(), coding: normal() };
}

/**
 * A moment of training: each as likely as any other; of flow matching those in the middle likelier, by the logistic of a normal
 * number: Esser et al., "Scaling Rectified Flow Transformers", 2024, section 3.1, https://arxiv.org/abs/2403.03206
 */
function momentOf({ kept, flow }: NoiseSchedule, random: Random): number {
  if (!flow) return random.integer(kept.length);
  return flow.total * flow.shifted(1 / (1 + Math.exp(-random.normal())));
}
