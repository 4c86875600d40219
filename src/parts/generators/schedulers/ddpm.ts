/**
 * Denoising diffusion probabilistic models: the chain that the loss was derived from.
 *
 * Ho et al., 2020, equations 6 and 7, https://arxiv.org/abs/2006.11239; learned variances: Nichol and Dhariwal, 2021,
 * equation 15, https://arxiv.org/abs/2102.09672
 */

import type { Latents } from '../types.js';
import { readNoise, spacings, tableTimes } from './noise.js';
import { mix, readLimits, readPrediction, type Scheduler, unchanged } from './sampler.js';

const variances = ['fixed_small', 'fixed_small_log', 'fixed_large', 'learned_range'] as const;

export const ddpm: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  const limit = readLimits(config, true);
  const spacing = config.choice('timestep_spacing', spacings, 'leading');
  const offset = config.whole('steps_offset', 0);
  const variance = config.choice('variance_type', variances, 'fixed_small');
  return ({ steps, batch = 1 }) => {
    const times = tableTimes({ steps, total: kept.length, spacing, offset });
    const keptAt = (i: number): number => (i < times.length ? (kept[times[i] as number] as number) : 1);
    return {
      times,
      start: 1,
      shown: unchanged,
      step(i, answer, latents, noise) {
        const [now, next] = [keptAt(i), keptAt(i + 1)];
        const added = 1 - now / next; // beta of the whole step
        const [predicted, spread] = variance === 'learned_range' ? splitChannels(answer, batch) : [answer];
        const picture = limit(readPrediction(predicts, now, latents, predicted).picture, batch);
        const mean = mix(
          [(Math.sqrt(next) * added) / (1 - now), picture],
          [(Math.sqrt(1 - added) * (1 - next)) / (1 - now), latents],
        );
        if (times[i] === 0) return mean;
        const small = Math.max(((1 - next) / (1 - now)) * added, 1e-20);
        const fresh = noise();
        if (!spread) return mix([1, mean], [Math.sqrt(variance === 'fixed_large' ? added : small), fresh]);
        const [low, high] = [Math.log(small), Math.log(added)];
        const deviation = (x: number): number => Math.exp((low + ((x + 1) / 2) * (high - low)) / 2);
        return mean.map((x, j) => x + deviation(spread[j] as number) * (fresh[j] as number));
      },
    };
  };
};

/** The first half of each picture's channels and the second: the mean's part and the variance's. */
function splitChannels(answer: Latents, batch: number): [Latents, Latents] {
  const size = answer.length / batch / 2;
  const [first, second] = [new Float32Array(size * batch), new Float32Array(size * batch)];
  for (let row = 0; row < batch; row++) {
    first.set(answer.subarray(2 * row * size, (2 * row + 1) * size), row * size);
    second.set(answer.subarray((2 * row + 1) * size, (2 * row + 2) * size), row * size);
  }
  return [first, second];
}
