/**
 * UniPC: a multistep prediction, corrected with the answer at the place that it led to before the next one is made.
 *
 * Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models", 2023,
 * https://arxiv.org/abs/2302.04867 (algorithms 7 and 8)
 *
 * a and s are the weights of picture and noise in latents, l = log(a / s), h a step of l
 */
import { QuintetError } from '../../../tensor/index.js';
import { requireOptions } from '../blocks.js';
import type { Latents } from '../types.js';
import { readMultistepPlan } from './dpm-solver.js';
import { readNoise } from './noise.js';
import { mix, readLimits, readPrediction, type Scheduler, unchanged } from './sampler.js';

/** An answer of the denoiser, the picture that it sees, and where it was asked. */
interface Answer {
  readonly picture: Latents;
  readonly sigma: number;
}

export const uniPc: Scheduler = (config) => {
  const { kept, predicts } = readNoise(config);
  const limit = readLimits(config, false);
  const plan = readMultistepPlan(config, kept);
  const order = config.whole('solver_order', 2);
  const carefulEnd = config.flag('lower_order_final', true);
  const uncorrected = config.numbers('disable_corrector', []);
  requireOptions(config, { solver_p: null });
  const first = config.choice('solver_type', ['bh1', 'bh2'], 'bh2') === 'bh1';
  if (!config.flag('predict_x0', true) || order < 1 || order > 3) {
    throw new QuintetError('unsupported', 'UniPC is built for pictures (predict_x0) and orders up to 3', {
      at: config.at,
    });
  }
  return ({ steps, batch = 1 }) => {
    const { times, sigmas } = plan(steps);
    let answers: Answer[] = [];
    let before: { readonly latents: Latents; readonly order: number } | undefined;
    return {
      times,
      sigmas,
      start: 1,
      shown: unchanged,
      step(i, predicted, shown) {
        const sigma = sigmas[i] as number;
        const seen = readPrediction(predicts, 1 / (sigma ** 2 + 1), shown, predicted);
        const answer = { picture: limit(seen.picture, batch), sigma };
        const corrected =
          before && !uncorrected.includes(i - 1)
            ? advance(before.latents, sigma, { answers, first, ...before, end: answer })
            : shown;
        answers = [answer, ...answers].slice(0, 3);
        const own = Math.min(order, i + 1, carefulEnd ? steps - i : order);
        before = { latents: corrected, order: own };
        return advance(corrected, sigmas[i + 1] as number, { answers, first, order: own });
      },
    };
  };
};

interface Step {
  /** Newest first. */
  readonly answers: readonly Answer[];
  readonly order: number;
  /** Which of the paper's two functions B(h): h itself, or exp(h) - 1. */
  readonly first: boolean;
  /** The answer at the end of the step, where it is known: the step is a correction. */
  readonly end?: Answer;
}

const logarithm = (sigma: number): number => -Math.log(sigma);

/** The latents at `sigma` from those at the newest answer's place. */
function advance(latents: Latents, sigma: number, { answers, order, first, end }: Step): Latents {
  const [newest, ...older] = answers as [Answer, ...Answer[]];
  const a = 1 / Math.sqrt(sigma ** 2 + 1);
  const now = 1 / Math.sqrt(newest.sigma ** 2 + 1);
  const h = logarithm(sigma) - logarithm(newest.sigma);
  const base = Math.expm1(-h);
  const [weight, ratio] = [first ? -h : base, (sigma * a) / (newest.sigma * now)];
  const others = [...older.slice(0, order - 1), ...(end ? [end] : [])];
  const places = others.map((answer) => (logarithm(answer.sigma) - logarithm(newest.sigma)) / h);
  const shares = places.length === 0 ? [] : solvedShares(places, h, weight);
  // Divided differences, each of which takes the newest answer away from another one.
  const slopes = shares.map((share, j) => (-a * weight * share) / (places[j] as number));
  const own = -a * base - slopes.reduce((sum, slope) => sum + slope, 0);
  const terms = others.map(({ picture }, j) => [slopes[j] as number, picture] as const);
  return mix([ratio, latents], [own, newest.picture], ...terms);
}

/** The shares of divided differences that match the expansion of the exact step: theorem 3.1 of the paper. */
function solvedShares(places: readonly number[], h: number, weight: number): number[] {
  // Where there is one, the paper takes a half, which is what its equation tends to.
  if (places.length === 1) return [0.5];
  let phi = Math.expm1(-h) / -h - 1;
  let factorial = 1;
  const rows = places.map((_, i) => {
    const wanted = (phi * factorial) / weight;
    factorial *= i + 2;
    phi = phi / -h - 1 / factorial;
    return [...places.map((place) => place ** i), wanted];
  });
  return eliminate(rows);
}

/** The solution of a small linear system, each row with its right side last: Gauss. */
function eliminate(rows: readonly (readonly number[])[]): number[] {
  if (rows.length === 0) return [];
  const pivot = rows.reduce((best, row) => (Math.abs(row[0] as number) > Math.abs(best[0] as number) ? row : best));
  const [head, ...tail] = pivot as [number, ...number[]];
  const rest = rows
    .filter((row) => row !== pivot)
    .map(([first = 0, ...row]) => row.map((x, i) => x - (first / head) * (tail[i] as number)));
  const solved = eliminate(rest);
  const right = tail.at(-1) as number;
  return [(right - solved.reduce((sum, x, i) => sum + x * (tail[i] as number), 0)) / head, ...solved];
}
