/** Ways of sampling, by the names that `scheduler_config.json` gives them. */

import { type Fields, nearest, QuintetError } from '../../../tensor/index.js';
import { ddim } from './ddim.js';
import { euler } from './euler.js';
import type { Sampler, SamplingOptions, Scheduler } from './sampler.js';

export { type NoiseSchedule, readNoise } from './noise.js';
export type { Latents, Sampler, SamplingOptions, Scheduler } from './sampler.js';

export const schedulers = {
  DDIMScheduler: ddim,
  EulerDiscreteScheduler: euler,
} as const satisfies Readonly<Record<string, Scheduler>>;

/** The way of sampling that a `scheduler_config.json` sets up; `name` puts another in place of its own. */
export function readScheduler(
  config: Fields,
  name: string = config.text('_class_name'),
): (options: SamplingOptions) => Sampler {
  if (Object.hasOwn(schedulers, name)) return schedulers[name as keyof typeof schedulers](config);
  const known = Object.keys(schedulers);
  const guess = nearest(name, known);
  throw new QuintetError('unsupported', `no sampling as "${name}"${guess ? `; did you mean "${guess}"?` : ''}`, {
    at: config.at,
    hint: `known: ${known.join(', ')}`,
  });
}
