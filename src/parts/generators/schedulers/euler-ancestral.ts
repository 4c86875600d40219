/**
 * Euler's method with a part of each step taken back as fresh noise: k-diffusion's ancestral sampling.
 *
 * Karras et al., 2022, https://arxiv.org/abs/2206.00364; the split of a step as in Song et al., 2021, equation 16
 */
import { mix, type Scheduler } from './sampler.js';
import { pictureIn, readSigmas, shownAt, startOf } from './sigmas.js';

export const eulerAncestral: Scheduler = (config) => {
  const { noise: schedule, spacing, plan } = readSigmas(config, 'linspace');
  return ({ steps }) => {
    const { times, sigmas } = plan(steps);
    return {
      times,
      sigmas,
      start: startOf(sigmas[0] as number, spacing),
      shown: (i, latents) => shownAt(sigmas[i] as number, latents),
      step(i, predicted, latents, noise) {
        const [now, next] = [sigmas[i] as number, sigmas[i + 1] as number];
        const picture = pictureIn(schedule.predicts, now, latents, predicted);
        const fresh = Math.sqrt((next ** 2 * (now ** 2 - next ** 2)) / now ** 2);
        const slope = (Math.sqrt(next ** 2 - fresh ** 2) - now) / now;
        return mix([1 + slope, latents], [-slope, picture], [fresh, noise()]);
      },
    };
  };
};
