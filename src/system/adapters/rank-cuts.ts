/**
 * AdaLoRA's budget: while the layers learn, the singular triplets that matter least lose their singular values, of all layers
 * together, until the ranks are what is wanted on average. What a triplet matters is told by how the loss would change
 * without its numbers, smoothed over steps, times how much that varies. As PEFT's RankAllocator does it.
 *
 * Zhang et al., "AdaLoRA", 2023, section 3.2 and algorithm 1, https://arxiv.org/abs/2303.10512
 *
 * R rank at the beginning
 */
import { type Glob, matches } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import type { Prunable, Pruning } from './adapter.js';

export interface RankCuts {
  /** What ranks are in the end, on average over the layers. */
  readonly rank: number;
  /** Of the whole training. */
  readonly steps: number;
  /** Steps before the first cut; default 0. */
  readonly warmup?: number;
  /** Steps after the last cut; default 0. */
  readonly rest?: number;
  /** Steps from one cut to the next; default 1. */
  readonly every?: number;
  /** How much of what was there remains a step, of the smoothed sensitivity and of its variation; default [0.85, 0.85]. */
  readonly betas?: readonly [number, number];
}

/** What counts where cuts do not say. */
export const usualCuts = { warmup: 0, rest: 0, every: 1, betas: [0.85, 0.85] } as const satisfies Partial<RankCuts>;

/** A layer's triplets: A [R, in], E [R, 1], B [out, R]. */
interface Triplets {
  readonly low: Prunable;
  readonly values: Prunable;
  readonly high: Prunable;
}

/** Cuts of the layers whose parameters the patterns name. */
export function rankCuts(cuts: RankCuts, on: readonly Glob[]): Pruning {
  const whole = { ...usualCuts, ...cuts };
  const { steps, warmup, rest, every, betas } = whole;
  const last = steps - rest;
  return {
    state: ({ name, shape }) => {
      if (!matches(name, on)) return {};
      return { sensitivity: shape, variation: shape, ...(name.endsWith('.lora_E') ? { cut: shape } : {}) };
    },
    afterStep(step, parameters) {
      if (step < last) for (const parameter of parameters.values()) sense(parameter, betas);
      const layers = layersOf(parameters);
      if (step === last || (step > warmup && step < last && step % every === 0)) rank(layers, whole, step);
      else if (step < last) return;
      for (const { values } of layers) clear(values);
    },
    settle: clear,
  };
}

function layersOf(parameters: ReadonlyMap<string, Prunable>): Triplets[] {
  return [...parameters].flatMap(([name, values]) => {
    if (!name.endsWith('.lora_E')) return [];
    const other = (letter: string) => parameters.get(name.replace(/E$/, letter)) as Prunable;
    return [{ values, low: other('A'), high: other('B') }];
  });
}

/** Equations 8, 9 and 10. */
function sense({ values, slopes, state }: Prunable, [beta1, beta2]: readonly [number, number]): void {
  const { sensitivity, variation } = state as Readonly<Record<string, Float32Array>>;
  if (!sensitivity || !variation) return;
  for (let i = 0; i < values.length; i++) {
    const now = Math.abs((values[i] as number) * (slopes[i] as number));
    const smooth = beta1 * (sensitivity[i] as number) + (1 - beta1) * now;
    sensitivity[i] = smooth;
    variation[i] = beta2 * (variation[i] as number) + (1 - beta2) * Math.abs(now - smooth);
  }
}

/** How many triplets remain after a step: equation 12. */
function budgetAt(step: number, all: number, wanted: number, { steps, warmup, rest }: Required<RankCuts>): number {
  const left = 1 - (step - warmup) / (steps - rest - warmup);
  return Math.trunc((all - wanted) * left ** 3 + wanted);
}

/** Marks the triplets that are cut: those that matter no more than the least of so many. */
function rank(layers: readonly Triplets[], cuts: Required<RankCuts>, step: number): void {
  const scores = layers.map(importance);
  const sorted = scores.flat().sort((a, b) => a - b);
  const budget = budgetAt(step, sorted.length, cuts.rank * layers.length, cuts);
  const threshold = sorted[sorted.length - budget - 1] as number;
  for (const [i, { values }] of layers.entries()) {
    values.state.cut?.set((scores[i] as number[]).map((score) => Number(score <= threshold)));
  }
}

/** What each triplet matters: its singular value, and its vectors on average. Equation 7. */
function importance({ low, values, high }: Triplets): number[] {
  const count = values.values.length;
  const width = low.values.length / count;
  const out = high.values.length / count;
  const mean = (parameter: Prunable, size: number, at: (i: number) => number): number => {
    const { sensitivity, variation } = parameter.state as Readonly<Record<string, Float32Array>>;
    let total = 0;
    for (let i = 0; i < size; i++) total += (sensitivity?.[at(i)] as number) * (variation?.[at(i)] as number);
    return total / size;
  };
  return Array.from({ length: count }, (_, row) => {
    const vectors = mean(low, width, (i) => row * width + i) + mean(high, out, (i) => i * count + row);
    return mean(values, 1, () => row) + vectors;
  });
}

/** The singular values of triplets that are cut become zero. */
function clear({ values, state: { cut } }: Pick<Prunable, 'values' | 'state'>): void {
  if (cut) for (let i = 0; i < values.length; i++) if (cut[i]) values[i] = 0;
}

/** Refuses cuts that cannot be meant. */
export function checkCuts(cuts: RankCuts, initial: number): void {
  const { rank, steps, warmup, rest, betas } = { ...usualCuts, ...cuts };
  const refuse = (field: string, message: string): never => {
    throw new QuintetError('config', message, { at: `adapter.cuts.${field}` });
  };
  if (rank >= initial) refuse('rank', `ranks begin with ${initial}: cut, they are less than that, not ${rank}`);
  if (warmup < 0 || rest < 0 || warmup + rest >= steps)
    refuse('warmup', `${warmup} steps before the cuts and ${rest} after leave none of ${steps}`);
  if (betas.length !== 2 || betas.some((beta) => beta <= 0 || beta >= 1)) {
    refuse('betas', `expected two numbers between 0 and 1, got ${betas}`);
  }
}
