/**
 * Pseudo numerical methods: linear multistep formulas on the path of DDIM, started by Runge-Kutta steps or, as in Stable
 * Diffusion, without them.
 *
 * Liu et al., 2022, https://arxiv.org/abs/2202.09778 (equations 9, 11 and 12)
 */

import { QuintetError } from '../../../tensor/index.js';
import type { Latents } from '../types.js';
import { readNoise, spacings, tableTimes } from './noise.js';
import { mix, type Scheduler, unchanged } from './sampler.js';

/** Weights of the latest answers, newest first: Adams and Bashforth. */
const multistep = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const;
const rungeKutta = [1 / 6, 1 / 3, 1 / 3, 1 / 6] as const;

export const pndm: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  if (predicts === 'sample') {
    throw new QuintetError('unsupported', 'prediction_type "sample" of a method that follows noise', { at: config.at });
  }
  const spacing = config.choice('timestep_spacing', spacings, 'leading');
  const offset = config.whole('steps_offset', 0);
  const skips = config.flag('skip_prk_steps', false);
  const last = config.flag('set_alpha_to_one', false) ? 1 : (kept[0] as number);
  const keptAt = (time: number): number => (time >= 0 ? (kept[time] as number) : last);

  /** Equation 11: along the path from one moment to another by a given slope. */
  const move = (latents: Latents, from: number, to: number, answer: Latents): Latents => {
    const [now, next] = [keptAt(from), keptAt(to)];
    const [a, b] = [Math.sqrt(now), Math.sqrt(1 - now)];
    const noise = predicts === 'v_prediction' ? mix([a, answer], [b, latents]) : answer;
    const below = now * Math.sqrt(1 - next) + Math.sqrt(now * (1 - now) * next);
    return mix([Math.sqrt(next / now), latents], [-(next - now) / below, noise]);
  };

  return ({ steps }) => {
    const total = kept.length;
    const stride = Math.floor(total / steps);
    const spaced = tableTimes({ steps, total, spacing, offset });
    const starting = skips ? [] : startingTimes(spaced, Math.floor(stride / 2));
    const times = skips
      ? [spaced[0] as number, ...spaced.slice(1, 2), ...spaced.slice(1)]
      : [...starting, ...spaced.slice(3)];
    let answers: Latents[] = [];
    let origin: Latents | undefined;
    let slope: Latents | undefined;

    const start = (i: number, answer: Latents, latents: Latents): Latents => {
      const stage = i % 4;
      if (stage === 0) {
        answers.push(answer);
        origin = latents;
      }
      const part = mix([rungeKutta[stage] as number, answer]);
      slope = stage === 0 || !slope ? part : mix([1, slope], [1, part]);
      const from = starting[i - stage] as number;
      const to = (times[i] as number) - (i % 2 === 0 ? Math.floor(stride / 2) : 0);
      return move(origin as Latents, from, to, stage === 3 ? slope : answer);
    };
    const go = (i: number, answer: Latents, latents: Latents): Latents => {
      const time = times[i] as number;
      // The first step is taken twice, the second time with the mean of the slopes at its ends.
      if (i === 1)
        return move(origin as Latents, time + stride, time, mix([0.5, answer], [0.5, answers[0] as Latents]));
      answers = [...answers.slice(-3), answer];
      if (i === 0) origin = latents;
      const weights = multistep[answers.length - 1] as readonly number[];
      const newest = answers.toReversed();
      const mixed = mix(...weights.map((weight, j) => [weight, newest[j] as Latents] as const));
      return move(latents, time, time - stride, mixed);
    };
    return {
      times,
      start: 1,
      shown: unchanged,
      step: (i, answer, latents) => (i < starting.length ? start : go)(i, answer, latents),
    };
  };
};

/** The moments of three Runge-Kutta steps: their beginnings, twice their middles, their ends. */
function startingTimes(spaced: readonly number[], half: number): number[] {
  return spaced.slice(0, 3).flatMap((time, i) => {
    const middle = (spaced[i + 1] as number) + half;
    return [time, middle, middle, spaced[i + 1] as number];
  });
}
