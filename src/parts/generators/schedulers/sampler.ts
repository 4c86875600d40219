/** What all ways of sampling share: the loop's side of a scheduler, and the arithmetic on latents. */

import type { Fields } from '../../../tensor/index.js';
import type { Latents, Prediction, Sampler, SamplingOptions } from '../types.js';

/** A way of sampling as a `scheduler_config.json` sets it up. */
export type Scheduler = (config: Fields) => (options: SamplingOptions) => Sampler;

/** a·x + b·y + …, element by element. */
export function mix(...terms: readonly (readonly [weight: number, values: Latents])[]): Latents {
  const [, first] = terms[0] as readonly [number, Latents];
  const result = new Float32Array(first.length);
  for (let i = 0; i < result.length; i++) {
    let sum = 0;
    for (const [weight, values] of terms) sum += weight * (values[i] as number);
    result[i] = sum;
  }
  return result;
}

export const scaled = (weight: number, values: Latents): Latents => mix([weight, values]);
export const unchanged = (_: number, latents: Latents): Latents => latents;

interface Seen {
  readonly picture: Latents;
  readonly noise: Latents;
}

/** What a prediction says of latents of which the part `kept` is left: the picture and the noise in them. */
export function readPrediction(predicts: Prediction, kept: number, latents: Latents, predicted: Latents): Seen {
  const [a, b] = [Math.sqrt(kept), Math.sqrt(1 - kept)];
  switch (predicts) {
    case 'epsilon':
      return { picture: mix([1 / a, latents], [-b / a, predicted]), noise: predicted };
    case 'sample':
      return { picture: predicted, noise: mix([1 / b, latents], [-a / b, predicted]) };
    case 'v_prediction':
      return { picture: mix([a, latents], [-b, predicted]), noise: mix([a, predicted], [b, latents]) };
  }
}

/** Keeps predicted pictures in their range: by cutting, or as `dynamic thresholding` of Imagen (Saharia et al., 2022). */
export function readLimits(config: Fields, cutByDefault: boolean): (picture: Latents, batch: number) => Latents {
  if (config.flag('thresholding', false)) {
    const ratio = config.number('dynamic_thresholding_ratio', 0.995);
    const largest = config.number('sample_max_value', 1);
    return (picture, batch) => threshold(picture, batch, { ratio, largest });
  }
  if (!config.flag('clip_sample', cutByDefault)) return (picture) => picture;
  const range = config.number('clip_sample_range', 1);
  return (picture) => picture.map((x) => Math.min(Math.max(x, -range), range));
}

function threshold(picture: Latents, batch: number, { ratio, largest }: { ratio: number; largest: number }): Latents {
  const size = picture.length / batch;
  const result = new Float32Array(picture.length);
  for (let row = 0; row < batch; row++) {
    const values = picture.subarray(row * size, (row + 1) * size);
    const limit = Math.min(Math.max(quantile(values.map(Math.abs).sort(), ratio), 1), largest);
    result.set(
      values.map((x) => Math.min(Math.max(x, -limit), limit) / limit),
      row * size,
    );
  }
  return result;
}

/** Between the two nearest of sorted values. */
function quantile(sorted: Float32Array, ratio: number): number {
  const place = ratio * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
  return below + (above - below) * (place - Math.floor(place));
}
