/** Ways of sampling, by the names that `scheduler_config.json` gives them. */

import { type Fields, fields, nearest, QuintetError } from '../../../tensor/index.js';
import type { NoiseSchedule, Sampler, SamplingOptions } from '../types.js';
import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';
import { dpmSolver } from './dpm-solver.js';
import { euler } from './euler.js';
import { eulerAncestral } from './euler-ancestral.js';
import { flowMatchEuler, readFlow } from './flow-match-euler.js';
import { heun } from './heun.js';
import { lcm } from './lcm.js';
import { readNoise } from './noise.js';
import { pndm } from './pndm.js';
import type { Scheduler } from './sampler.js';
import { uniPc } from './uni-pc.js';

export { readNoise };

export const schedulers = {
  DDIMScheduler: ddim,
  DDPMScheduler: ddpm,
  DPMSolverMultistepScheduler: dpmSolver,
  EulerAncestralDiscreteScheduler: eulerAncestral,
  EulerDiscreteScheduler: euler,
  FlowMatchEulerDiscreteScheduler: flowMatchEuler,
  HeunDiscreteScheduler: heun,
  LCMScheduler: lcm,
  PNDMScheduler: pndm,
  UniPCMultistepScheduler: uniPc,
} as const satisfies Readonly<Record<string, Scheduler>>;

export interface ChosenSampling extends SamplingOptions {
  /** Another way than the published one, by its name. */
  readonly scheduler?: string;
}

/** How a generator was trained on noise, and how pictures are sampled from it. */
export interface Diffusion {
  readonly noise: NoiseSchedule;
  sampling(options: ChosenSampling): Sampler;
}

/** Both as a `scheduler_config.json` sets them up. */
export function readDiffusion(config: Fields): Diffusion {
  const flows = config.text('_class_name', '') === 'FlowMatchEulerDiscreteScheduler';
  const noise = { ...readNoise(config), ...(flows ? { flow: readFlow(config) } : {}) };
  return { noise, sampling: readSampling(config) };
}

/** Both as diffusers names the settings. */
export const diffusion = (scheduler: Readonly<Record<string, unknown>>): Diffusion =>
  readDiffusion(fields(scheduler, 'scheduler'));

/** Sampling as a `scheduler_config.json` sets it up. */
export function readSampling(config: Fields): (options: ChosenSampling) => Sampler {
  return ({ scheduler = config.text('_class_name'), ...options }) => {
    // Of what the file leaves out, the chosen way decides.
    const own = fields({ ...config.raw, _class_name: scheduler }, config.at);
    if (Object.hasOwn(schedulers, scheduler)) return schedulers[scheduler as keyof typeof schedulers](own)(options);
    const known = Object.keys(schedulers);
    const guess = nearest(scheduler, known);
    throw new QuintetError('unsupported', `no sampling as "${scheduler}"${guess ? `; did you mean "${guess}"?` : ''}`, {
      at: config.at,
      hint: `known: ${known.join(', ')}`,
    });
  };
}
