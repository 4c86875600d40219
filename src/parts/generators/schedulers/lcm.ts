/**
 * Latent consistency models: the picture is guessed in one go, then noise is added again, less each time.
 *
 * Luo et al., 2023, https://arxiv.org/abs/2310.04378 (algorithm 3)
 */
import { readNoise } from './noise.js';
import { mix, readLimits, readPrediction, type Scheduler, unchanged } from './sampler.js';

/** Of the consistency function's boundary conditions: Song et al., 2023, appendix C. */
const deviation = 0.5;

export const lcm: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  const limit = readLimits(config, false);
  const origins = config.count('original_inference_steps', 50);
  const scaling = config.number('timestep_scaling', 10);
  return ({ steps, batch = 1 }) => {
    const stride = Math.floor(kept.length / origins);
    // The moments that it was distilled at, from the last one.
    const trained = Array.from({ length: origins }, (_, i) => (origins - i) * stride - 1);
    const times = Array.from({ length: steps }, (_, i) => trained[Math.floor((i * origins) / steps)] as number);
    return {
      times,
      start: 1,
      shown: unchanged,
      step(i, predicted, latents, noise) {
        const time = times[i] as number;
        const seen = readPrediction(predicts, kept[time] as number, latents, predicted);
        const late = time * scaling;
        const below = late ** 2 + deviation ** 2;
        const skip = deviation ** 2 / below;
        const picture = mix([late / Math.sqrt(below), limit(seen.picture, batch)], [skip, latents]);
        if (i === steps - 1) return picture;
        const next = kept[times[i + 1] as number] as number;
        return mix([Math.sqrt(next), picture], [Math.sqrt(1 - next), noise()]);
      },
    };
  };
};
