/**
 * Noise as a standard deviation sigma over an unscaled picture: the view of Euler's method and its kin.
 *
 * Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022, https://arxiv.org/abs/2206.00364
 */
import { type Fields, QuintetError } from '../../../tensor/index.js';
import type { Latents, NoiseSchedule } from '../types.js';
import { readNoise, type Spacing, spacedTimes, spacings } from './noise.js';
import { mix, scaled } from './sampler.js';

const f32 = Math.fround;

export interface SigmaSchedule {
  readonly times: readonly number[];
  /** One more than times: the last one is where the picture is done. */
  readonly sigmas: readonly number[];
}

interface SigmaPlan {
  readonly noise: NoiseSchedule;
  readonly spacing: Spacing;
  /** The schedule of so many steps. */
  plan(steps: number): SigmaSchedule;
}

/** The standard deviation of each moment of training, rising. Of a schedule that ends in pure noise the last is bounded. */
export function trainedSigmas(kept: readonly number[]): number[] {
  return kept.map((a) => (a === 0 ? 2 ** -24 : a)).map((a) => f32(Math.sqrt(f32(f32(1 - a) / a))));
}

/** A value between the entries of a table, by its place. */
export function between(table: readonly number[], place: number): number {
  const at = Math.min(Math.max(place, 0), table.length - 1);
  const [below, above] = [table[Math.floor(at)] as number, table[Math.ceil(at)] as number];
  return below + (above - below) * (at - Math.floor(at));
}

/** The moment at which noise has a standard deviation, between two moments of training: in the logarithms. */
export function timeOf(sigma: number, table: readonly number[]): number {
  const wanted = Math.log(Math.max(sigma, 1e-10));
  const logs = table.map((trained) => f32(Math.log(trained)));
  const above = logs.findIndex((log) => log > wanted);
  const low = Math.min(above === -1 ? table.length - 1 : Math.max(above - 1, 0), table.length - 2);
  const [from, to] = [logs[low] as number, logs[low + 1] as number];
  return low + Math.min(Math.max((from - wanted) / (from - to), 0), 1);
}

/** From 0 to 1; a single one is 0. */
const shares = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (count === 1 ? 0 : i / (count - 1)));

/** Karras et al., equation 5, with rho 7. */
function karras(largest: number, smallest: number, count: number): number[] {
  const [from, to] = [largest ** (1 / 7), smallest ** (1 / 7)];
  return shares(count).map((share) => (from + share * (to - from)) ** 7);
}

/** Evenly in the logarithms. */
function exponential(largest: number, smallest: number, count: number): number[] {
  const [from, to] = [Math.log(largest), Math.log(smallest)];
  return shares(count).map((share) => Math.exp(from + share * (to - from)));
}

interface Curve {
  values(largest: number, smallest: number, count: number): number[];
  /** Whether the moments at which they lie are rounded where whole ones are wanted. */
  readonly rounds: boolean;
}

const curves: Readonly<Record<string, Curve>> = {
  use_karras_sigmas: { values: karras, rounds: true },
  use_exponential_sigmas: { values: exponential, rounds: false },
  // Evenly in the logarithms of deviations, which is what Lu et al. call lambdas.
  use_lu_lambdas: { values: exponential, rounds: true },
};

/**
 * The curve that a configuration puts in place of the trained deviations, between its own bounds where it has them; `more` are
 * flags that the family knows besides.
 */
export function readCurve(config: Fields, more: readonly string[] = []): Curve | undefined {
  const known = ['use_karras_sigmas', 'use_exponential_sigmas', ...more];
  for (const name of ['use_beta_sigmas', 'use_flow_sigmas']) {
    if (config.flag(name, false)) throw new QuintetError('unsupported', `${name} is not built here`, { at: config.at });
  }
  const chosen = known.find((name) => config.flag(name, false));
  if (chosen === undefined) return undefined;
  const { values, rounds } = curves[chosen] as Curve;
  return {
    values: (largest, smallest, count) =>
      values(config.number('sigma_max', largest), config.number('sigma_min', smallest), count),
    rounds,
  };
}

/** Reads which moments a generation passes through. */
export function readSigmas(config: Fields, spacingByDefault: Spacing): SigmaPlan {
  const noise = readNoise(config);
  const table = trainedSigmas(noise.kept);
  const spacing = config.choice('timestep_spacing', spacings, spacingByDefault);
  const offset = config.whole('steps_offset', 0);
  const ending =
    config.choice('final_sigmas_type', ['zero', 'sigma_min'], 'zero') === 'zero' ? 0 : (table[0] as number);
  const curve = readCurve(config);
  const inLogarithms = config.choice('interpolation_type', ['linear', 'log_linear'], 'linear') === 'log_linear';
  const continuous =
    config.choice('timestep_type', ['discrete', 'continuous'], 'discrete') === 'continuous' &&
    noise.predicts === 'v_prediction';
  return {
    noise,
    spacing,
    plan(steps) {
      const spaced = spacedTimes({ steps, total: table.length, spacing, offset });
      // In the logarithms all of the trained deviations are passed through, and one more than there are moments.
      const plain = inLogarithms
        ? exponential(table.at(-1) as number, table[0] as number, steps + 1)
        : spaced.map((time) => between(table, f32(time)));
      const sigmas = curve ? curve.values(plain[0] as number, plain.at(-1) as number, steps) : plain;
      const moments = curve ? sigmas.map((sigma) => timeOf(sigma, table)) : spaced;
      // Where moments are continuous, the network is told a quarter of the logarithm: Karras et al., table 1.
      const times = continuous ? sigmas.slice(0, steps).map((sigma) => Math.log(sigma) / 4) : moments;
      return { times: times.map(f32), sigmas: [...sigmas, ending].map(f32) };
    },
  };
}

/** What standard normal noise is multiplied by where a generation starts at this deviation. */
export function startOf(largest: number, spacing: Spacing): number {
  return spacing === 'leading' ? Math.sqrt(largest ** 2 + 1) : largest;
}

/** What the network is shown: latents of variance 1. */
export const shownAt = (sigma: number, latents: Latents): Latents => scaled(1 / Math.sqrt(sigma ** 2 + 1), latents);

/** The picture that a prediction says is in latents with noise of deviation sigma. */
export function pictureIn(
  predicts: NoiseSchedule['predicts'],
  sigma: number,
  latents: Latents,
  predicted: Latents,
): Latents {
  switch (predicts) {
    case 'epsilon':
      return mix([1, latents], [-sigma, predicted]);
    case 'sample':
      return predicted;
    case 'v_prediction':
      return mix([-sigma / Math.sqrt(sigma ** 2 + 1), predicted], [1 / (sigma ** 2 + 1), latents]);
  }
}
