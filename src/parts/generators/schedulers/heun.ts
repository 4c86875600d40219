/**
 * Heun's method: each step is taken with the mean of the slopes at its two ends, the last one with the first alone.
 *
 * Karras et al., 2022, algorithm 1 without churn, https://arxiv.org/abs/2206.00364
 */
import type { Latents } from '../types.js';
import { mix, readLimits, type Scheduler } from './sampler.js';
import { pictureIn, readSigmas, shownAt, startOf } from './sigmas.js';

export const heun: Scheduler = (config) => {
  const { noise, spacing, plan } = readSigmas(config, 'linspace');
  const limit = readLimits(config, false);
  return ({ steps, batch = 1 }) => {
    const { times, sigmas } = plan(steps);
    /** Of call i: the deviation at which the denoiser is asked. Every one but the first is asked about twice. */
    const asked = (i: number): number => Math.ceil(i / 2);
    let first: { readonly latents: Latents; readonly slope: Latents } | undefined;
    return {
      times: times.flatMap((time, i) => (i === 0 ? [time] : [time, time])),
      sigmas: [
        ...sigmas.slice(0, -1).flatMap((sigma, i) => (i === 0 ? [sigma] : [sigma, sigma])),
        sigmas.at(-1) as number,
      ],
      start: startOf(sigmas[0] as number, spacing),
      shown: (i, latents) => shownAt(sigmas[asked(i)] as number, latents),
      step(i, predicted, latents) {
        const sigma = sigmas[asked(i)] as number;
        const picture = limit(pictureIn(noise.predicts, sigma, latents, predicted), batch);
        const slope = mix([1 / sigma, latents], [-1 / sigma, picture]);
        if (!first) {
          first = { latents, slope };
          return mix([1, latents], [(sigmas[asked(i) + 1] as number) - sigma, slope]);
        }
        const half = (sigma - (sigmas[asked(i) - 1] as number)) / 2;
        const moved = mix([1, first.latents], [half, first.slope], [half, slope]);
        first = undefined;
        return moved;
      },
    };
  };
};
