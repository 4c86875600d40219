/** Sums and means over the micro-batches of a step. */

import type { HostArrays } from '../system/index.js';
import type { MicroLoss, MicroMean } from './step.js';

export function summed(means: readonly MicroMean[]): MicroMean {
  const sum = (part: keyof MicroMean): number => means.reduce((total, mean) => total + mean[part], 0);
  return { total: sum('total'), targets: sum('targets') };
}

/** Means of what the objective tells; without those that none of the rows is of. */
export function metricsOf(losses: readonly MicroLoss[]): { readonly metrics?: Readonly<Record<string, number>> } {
  const names = Object.keys(losses[0]?.metrics ?? {});
  const means = names.flatMap((name): [string, number][] => {
    const { total, targets } = summed(losses.map(({ metrics }) => metrics[name] as MicroMean));
    return targets > 0 ? [[name, total / targets]] : [];
  });
  return names.length > 0 ? { metrics: Object.fromEntries(means) } : {};
}

/** How many tokens there are, without padding. */
export function tokensOf(batches: readonly HostArrays[]): number {
  let tokens = 0;
  for (const { attention_mask: mask } of batches) for (const bit of mask?.data ?? []) tokens += bit ? 1 : 0;
  return tokens;
}
