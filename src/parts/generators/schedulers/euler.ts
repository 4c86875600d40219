/**
 * Euler's method along the path from noise to picture.
 *
 * Karras et al., 2022, algorithm 2 without churn, https://arxiv.org/abs/2206.00364
 */
import { mix, type Scheduler } from './sampler.js';
import { pictureIn, readSigmas, shownAt, startOf } from './sigmas.js';

export const euler: Scheduler = (config) => {
  const { noise, spacing, plan } = readSigmas(config, 'linspace');
  return ({ steps }) => {
    const { times, sigmas } = plan(steps);
    return {
      times,
      sigmas,
      start: startOf(sigmas[0] as number, spacing),
      shown: (i, latents) => shownAt(sigmas[i] as number, latents),
      step(i, predicted, latents) {
        const [now, next] = [sigmas[i] as number, sigmas[i + 1] as number];
        const picture = pictureIn(noise.predicts, now, latents, predicted);
        const slope = (next - now) / now;
        return mix([1 + slope, latents], [-slope, picture]);
      },
    };
  };
};
