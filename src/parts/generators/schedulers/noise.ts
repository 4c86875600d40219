/**
 * How much noise a latent holds at each of the moments that a diffusion model was trained on.
 *
 * Ho et al., "Denoising Diffusion Probabilistic Models", 2020, https://arxiv.org/abs/2006.11239. Tables are rounded to f32
 * wherever the reference rounds them, so that they are the reference's.
 */
import { type Fields, fields, QuintetError, roundTiesToEven } from '../../../tensor/index.js';
import type { NoiseSchedule, Prediction } from '../types.js';

const predictions = ['epsilon', 'sample', 'v_prediction'] as const satisfies readonly Prediction[];

const f32 = Math.fround;

/** Evenly from first to last, as PyTorch does in f32: from both ends towards the middle. */
function evenly(first: number, last: number, count: number): number[] {
  const [from, to] = [f32(first), f32(last)];
  const step = f32(f32(to - from) / (count - 1));
  return Array.from({ length: count }, (_, i) =>
    f32(i < count / 2 ? from + f32(step * i) : to - f32(step * (count - 1 - i))),
  );
}

/** Nichol and Dhariwal, 2021, equation 17. */
function cosineBetas(count: number): number[] {
  const kept = (time: number): number => Math.cos((((time + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Array.from({ length: count }, (_, i) => f32(Math.min(1 - kept((i + 1) / count) / kept(i / count), 0.999)));
}

/** The products so far, added up in f64 and rounded. */
export function cumulative(factors: readonly number[]): number[] {
  let product = 1;
  return factors.map((factor) => {
    product *= factor;
    return f32(product);
  });
}

/** Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", 2023, algorithm 1: nothing is left at the end. */
function withoutEnd(betas: readonly number[]): number[] {
  const roots = cumulative(betas.map((beta) => f32(1 - beta))).map((kept) => f32(Math.sqrt(kept)));
  const [first, last] = [roots[0] as number, roots.at(-1) as number];
  const stretch = f32(first / f32(first - last));
  const kept = roots.map((root) => f32(f32(f32(root - last) * stretch) ** 2));
  return kept.map((now, i) => f32(1 - (i === 0 ? now : f32(now / (kept[i - 1] as number)))));
}

/** What some classes take where a file is silent. */
const fewer = { beta_start: 0.00085, beta_end: 0.012 };
const ownBetas: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  HeunDiscreteScheduler: fewer,
  LCMScheduler: { ...fewer, beta_schedule: 'scaled_linear' },
};

/** The share of variance that is replaced by noise at each moment. */
export function readBetas(given: Fields): readonly number[] {
  const config = fields({ ...ownBetas[given.text('_class_name', '')], ...given.raw }, given.at);
  const count = config.count('num_train_timesteps', 1000);
  const [first, last] = [config.number('beta_start', 0.0001), config.number('beta_end', 0.02)];
  const betas = config.has('trained_betas') ? config.numbers('trained_betas').map(f32) : plainBetas();
  return config.flag('rescale_betas_zero_snr', false) ? withoutEnd(betas) : betas;

  function plainBetas(): number[] {
    switch (config.choice('beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'linear')) {
      case 'linear':
        return evenly(first, last, count);
      case 'scaled_linear':
        return evenly(Math.sqrt(first), Math.sqrt(last), count).map((root) => f32(root * root));
      case 'squaredcos_cap_v2':
        return cosineBetas(count);
    }
  }
}

/** The noise that a `scheduler_config.json` describes. */
export function readNoise(config: Fields): NoiseSchedule {
  return {
    kept: cumulative(readBetas(config).map((beta) => f32(1 - beta))),
    predicts: config.choice('prediction_type', predictions, 'epsilon'),
  };
}

export const spacings = ['leading', 'trailing', 'linspace'] as const;
export type Spacing = (typeof spacings)[number];

interface Spaced {
  readonly steps: number;
  /** Moments of training. */
  readonly total: number;
  readonly spacing: Spacing;
  /** Added where they are spaced from the beginning. */
  readonly offset: number;
}

/** Moments of a generation in `steps`, falling. Evenly spaced ones may be fractions. Lin et al., 2023, table 2. */
export function spacedTimes({ steps, total, spacing, offset }: Spaced): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > total) {
    throw new QuintetError('config', `${steps} steps; from 1 to ${total} are possible`);
  }
  const places = Array.from({ length: steps }, (_, i) => i);
  switch (spacing) {
    case 'linspace':
      return places.map((i) => (steps === 1 ? 0 : (i * (total - 1)) / (steps - 1))).reverse();
    case 'leading':
      return places.map((i) => i * Math.floor(total / steps) + offset).reverse();
    case 'trailing':
      return places.map((i) => roundTiesToEven(total - (i * total) / steps) - 1);
  }
}

/** Whole moments of a generation, which tables are asked for. Throws 'config' where an offset leads beyond their end. */
export function tableTimes(spaced: Spaced): number[] {
  const times = spacedTimes(spaced).map(roundTiesToEven);
  const [first = 0] = times;
  const { steps, total, offset } = spaced;
  if (first < total) return times;
  throw new QuintetError('config', `${steps} steps begin at moment ${first}, and training ended at ${total - 1}`, {
    hint: `steps_offset of the scheduler is ${offset}: take fewer steps`,
  });
}

interface Strides extends Omit<Spaced, 'total'> {
  /** How much is kept where the last step leads; default all. */
  readonly last?: number;
}

/** Moments of a generation, and how much of a picture is kept around each step: before and after it. */
export function strides(kept: readonly number[], { last = 1, ...spaced }: Strides) {
  const times = tableTimes({ ...spaced, total: kept.length });
  const stride = Math.floor(kept.length / spaced.steps);
  const keptAt = (time: number): number => (time >= 0 ? (kept[time] as number) : last);
  const around = (i: number): [now: number, next: number] => {
    const time = times[i] as number;
    return [keptAt(time), keptAt(time - stride)];
  };
  return { times, around };
}
