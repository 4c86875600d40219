/**
 * Denoising diffusion implicit models: steps of any length along one path, or with a part of DDPM's noise.
 *
 * Song et al., 2021, https://arxiv.org/abs/2010.02502 (equations 12 and 16)
 */
import { readNoise, spacings, strides } from './noise.js';
import { mix, readLimits, readPrediction, type Scheduler, unchanged } from './sampler.js';

export const ddim: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  const limit = readLimits(config, true);
  const spacing = config.choice('timestep_spacing', spacings, 'leading');
  const offset = config.whole('steps_offset', 0);
  const last = config.flag('set_alpha_to_one', true) ? 1 : (kept[0] as number);
  return ({ steps, batch = 1, eta = 0 }) => {
    const { times, around } = strides(kept, { steps, spacing, offset, last });
    return {
      times,
      start: 1,
      shown: unchanged,
      step(i, predicted, latents, noise) {
        const [now, next] = around(i);
        const seen = readPrediction(predicts, now, latents, predicted);
        const picture = limit(seen.picture, batch);
        const deviation = eta * Math.sqrt(((1 - next) / (1 - now)) * (1 - now / next));
        const direction = Math.sqrt(1 - next - deviation ** 2);
        const moved = mix([Math.sqrt(next), picture], [direction, seen.noise]);
        return eta > 0 ? mix([1, moved], [deviation, noise()]) : moved;
      },
    };
  };
};
