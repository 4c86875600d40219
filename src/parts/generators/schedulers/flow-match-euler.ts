/**
 * Euler's method for flow matching: the network predicts noise less picture, the direction of a straight path between them.
 *
 * Lipman et al., 2023, https://arxiv.org/abs/2210.02747; shifted moments: Esser et al., "Scaling Rectified Flow Transformers",
 * 2024, section 5.3.2, https://arxiv.org/abs/2403.03206
 */
import { type Fields, QuintetError } from '../../../tensor/index.js';
import type { Flow } from '../types.js';
import { mix, type Scheduler, unchanged } from './sampler.js';
import { readCurve } from './sigmas.js';

/** The ways that a `scheduler_config.json` describes; shifted by Esser et al., equation 23, in training as in sampling. */
export function readFlow(config: Fields): Flow {
  const shift = config.number('shift', 1);
  return {
    total: config.count('num_train_timesteps', 1000),
    shifted: (moment) => (shift * moment) / (1 + (shift - 1) * moment),
  };
}

export const flowMatchEuler: Scheduler = (config) => {
  if (config.flag('use_dynamic_shifting', false) || config.flag('invert_sigmas', false)) {
    throw new QuintetError('unsupported', 'shifts that depend on the picture are not built here', { at: config.at });
  }
  const { total, shifted } = readFlow(config);
  const stochastic = config.flag('stochastic_sampling', false);
  const last = config.number('shift_terminal', 0);
  const curve = readCurve(config);
  return ({ steps }) => {
    const [largest, smallest] = [shifted(1), shifted(1 / total)];
    const even = Array.from({ length: steps }, (_, i) =>
      shifted(largest + (steps === 1 ? 0 : (i * (smallest - largest)) / (steps - 1))),
    );
    // The distances from pure noise are stretched so that the last moment is that of `shift_terminal`.
    const stretch = last === 0 ? 1 : (1 - last) / (1 - (even.at(-1) as number));
    const ended = even.map((sigma) => 1 - (1 - sigma) * stretch);
    const plain = curve ? curve.values(ended[0] as number, ended.at(-1) as number, steps) : ended;
    const sigmas = [...plain.map(Math.fround), 0];
    return {
      times: plain.map((sigma) => Math.fround(Math.fround(sigma) * total)),
      sigmas,
      start: 1,
      shown: unchanged,
      step(i, predicted, latents, noise) {
        const [now, next] = [sigmas[i] as number, sigmas[i + 1] as number];
        if (!stochastic) return mix([1, latents], [next - now, predicted]);
        const picture = mix([1, latents], [-now, predicted]);
        return mix([1 - next, picture], [next, noise()]);
      },
    };
  };
};
