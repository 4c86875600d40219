/**
 * DPM-Solver and DPM-Solver++, multistep: the exact solution of the linear part, polynomials through the latest answers for
 * the rest.
 *
 * Lu et al., 2022, https://arxiv.org/abs/2206.00927 and https://arxiv.org/abs/2211.01095 (algorithm 2; stochastic variants:
 * appendix B)
 *
 * a and s are the weights of picture and noise in latents, l = log(a / s), h a step of l
 */
import { type Fields, QuintetError, roundTiesToEven } from '../../../tensor/index.js';
import { requireOptions } from '../blocks.js';
import type { Latents } from '../types.js';
import { readNoise, type Spacing, spacedTimes, spacings } from './noise.js';
import { mix, readLimits, readPrediction, type Scheduler, unchanged } from './sampler.js';
import { between, readCurve, timeOf, trainedSigmas } from './sigmas.js';

const algorithms = ['dpmsolver++', 'dpmsolver', 'sde-dpmsolver++'] as const;
type Algorithm = (typeof algorithms)[number];
type Shape = 'midpoint' | 'heun';

export const dpmSolver: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  requireOptions(config, { variance_type: null });
  const limit = readLimits(config, false);
  const plan = readMultistepPlan(config, kept);
  const order = config.whole('solver_order', 2);
  const algorithm = config.choice('algorithm_type', algorithms, 'dpmsolver++');
  const shape = config.choice('solver_type', ['midpoint', 'heun'], 'midpoint');
  const zeroEnd = config.choice('final_sigmas_type', ['zero', 'sigma_min'], 'zero') === 'zero';
  const carefulEnd = config.flag('lower_order_final', true);
  const eulerEnd = config.flag('euler_at_final', false);
  if (order > 3 || order < 1 || (order === 3 && algorithm === 'sde-dpmsolver++')) {
    throw new QuintetError('unsupported', `solver_order ${order} of ${algorithm}`, { at: config.at });
  }
  if (zeroEnd && !algorithm.endsWith('++')) {
    throw new QuintetError('unsupported', `${algorithm} with final_sigmas_type zero, which divides by it`, {
      at: config.at,
      hint: 'use final_sigmas_type sigma_min',
    });
  }
  return ({ steps, batch = 1 }) => {
    const { times, sigmas } = plan(steps);
    const short = carefulEnd && steps < 15;
    const orderAt = (i: number): number => {
      if (i === steps - 1 && (eulerEnd || short || zeroEnd)) return 1;
      return Math.min(i + 1, order, i === steps - 2 && short ? 2 : 3);
    };
    let answers: Latents[] = [];
    return {
      times,
      sigmas,
      start: 1,
      shown: unchanged,
      step(i, predicted, latents, noise) {
        const variance = 1 / ((sigmas[i] as number) ** 2 + 1);
        const seen = readPrediction(predicts, variance, latents, predicted);
        const answer = algorithm === 'dpmsolver' ? seen.noise : limit(seen.picture, batch);
        answers = [answer, ...answers].slice(0, 3);
        const places = [i + 1, i, i - 1, i - 2].map((at) => placeOf(sigmas[at] ?? 0));
        const weights = solve(algorithm, shape, orderAt(i), places as [Place, Place, Place, Place]);
        const terms = weights.answers.map((weight, j) => [weight, answers[j] as Latents] as const);
        const moved = mix([weights.latents, latents], ...terms);
        return weights.noise > 0 ? mix([1, moved], [weights.noise, noise()]) : moved;
      },
    };
  };
};

interface Place {
  readonly a: number;
  readonly s: number;
  readonly l: number;
}

function placeOf(sigma: number): Place {
  const a = 1 / Math.sqrt(sigma ** 2 + 1);
  return { a, s: sigma * a, l: -Math.log(sigma) };
}

interface Weights {
  readonly latents: number;
  /** Of the answers, newest first. */
  readonly answers: readonly number[];
  readonly noise: number;
}

/** The weights of one step from `now` to `next`, by answers at `now` and the places before. */
function solve(algorithm: Algorithm, shape: Shape, order: number, places: [Place, Place, Place, Place]): Weights {
  const [next, now, before, earlier] = places;
  const h = next.l - now.l;
  const { latents, flat, slope, bend, noise } = integrals(algorithm, next, now, h);
  if (order === 1) return { latents, answers: [flat], noise };
  const r0 = (now.l - before.l) / h;
  if (order === 2) {
    // A slope taken at the middle of the step, or integrated over it.
    const weight = (shape === 'midpoint' ? flat / 2 : slope) / r0;
    return { latents, answers: [flat + weight, -weight], noise };
  }
  const r1 = (before.l - earlier.l) / h;
  // Divided differences of the answers: first and second derivative.
  const [first, second] = [slope + (slope * r0 + bend) / (r0 + r1), -(slope * r0 + bend) / (r0 + r1)];
  const [newer, older] = [first / r0, second / r1];
  return { latents, answers: [flat + newer, older - newer, -older], noise };
}

/** What a constant, a linear and a quadratic answer over the step add to the latents. */
function integrals(algorithm: Algorithm, next: Place, now: Place, h: number) {
  switch (algorithm) {
    case 'dpmsolver++': {
      const e = Math.expm1(-h);
      return {
        latents: next.s / now.s,
        flat: -next.a * e,
        slope: next.a * (e / h + 1),
        bend: -next.a * ((e + h) / h ** 2 - 0.5),
        noise: 0,
      };
    }
    case 'dpmsolver': {
      const e = Math.expm1(h);
      return {
        latents: next.a / now.a,
        flat: -next.s * e,
        slope: -next.s * (e / h - 1),
        bend: -next.s * ((e - h) / h ** 2 - 0.5),
        noise: 0,
      };
    }
    case 'sde-dpmsolver++': {
      const e = -Math.expm1(-2 * h);
      return {
        latents: (next.s / now.s) * Math.exp(-h),
        flat: next.a * e,
        slope: next.a * (1 - e / (2 * h)),
        bend: 0,
        noise: next.s * Math.sqrt(e),
      };
    }
  }
}

/** How many moments at the end are left out because the logarithm of a / s is below `lambda_min_clipped`. */
function skippedMoments(config: Fields, table: readonly number[], spacing: Spacing): number {
  const lowest = config.raw.lambda_min_clipped;
  // Without a bound it is minus infinity, which is no number of JSON but is written by Python.
  if (typeof lowest !== 'number') return 0;
  const skipped = table.filter((sigma) => -Math.log(sigma) < lowest).length;
  if (skipped === 0 || spacing !== 'trailing') return skipped;
  throw new QuintetError('unsupported', 'lambda_min_clipped with timestep_spacing trailing', { at: config.at });
}

/** Moments and deviations of so many steps, as multistep solvers of the noise schedule space them. */
export function readMultistepPlan(config: Fields, kept: readonly number[]) {
  const table = trainedSigmas(kept);
  const spacing = config.choice('timestep_spacing', spacings, 'linspace');
  const total = kept.length - skippedMoments(config, table, spacing);
  const offset = config.whole('steps_offset', 0);
  const ending =
    config.choice('final_sigmas_type', ['zero', 'sigma_min'], 'zero') === 'zero' ? 0 : (table[0] as number);
  const curve = readCurve(config, ['use_lu_lambdas']);
  const rounds = config.text('beta_schedule', 'linear') !== 'squaredcos_cap_v2';
  return (steps: number) => {
    if (curve) {
      const sigmas = curve.values(table.at(-1) as number, table[0] as number, steps);
      const places = sigmas.map((sigma) => timeOf(sigma, table));
      const times = curve.rounds && rounds ? places.map(roundTiesToEven) : places.map(Math.floor);
      return { times, sigmas: [...sigmas, ending].map(Math.fround) };
    }
    // One more than asked for, but from the end, of which the last is the beginning of the picture.
    const spaced =
      spacing === 'trailing'
        ? spacedTimes({ steps, total, spacing, offset })
        : spacedTimes({ steps: steps + 1, total, spacing, offset }).slice(0, -1);
    const times = spaced.map(roundTiesToEven);
    return { times, sigmas: [...times.map((time) => between(table, time)), ending].map(Math.fround) };
  };
}
