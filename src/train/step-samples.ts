/** Which samples each step is given, as a function of its number alone. */

import { type Dataset, datasetOrder, type Sample, sampler, usualBadShare } from '../data/index.js';
import { alone, partOf } from '../parallel/group.js';
import { QuintetError } from '../tensor/index.js';
import type { SampleOptions } from './samples.js';
import type { BatchSource } from './train.js';

/** What is made of a sample, which may be longer than what is learnt of it. */
export interface MadeSample {
  readonly cut?: boolean;
}

export interface StepSamples<T> extends Required<Pick<BatchSource, 'about' | 'accumulates' | 'check'>> {
  /** Rows of every micro-batch, where all have as many. */
  readonly rows?: number;
  take(step: number): Promise<T[]>;
  cutIn(step: number): number;
}

/** Samples as `prepare` makes them: shuffled anew in every epoch, or each once in the order of the file. */
export function stepSamples<T extends MadeSample>(
  dataset: Dataset,
  { batch, microBatch = batch, seed = 0, once = false, share = alone, ...options }: SampleOptions,
  prepare: (sample: Sample) => Promise<T>,
): StepSamples<T> {
  const { longest = Number.POSITIVE_INFINITY, lengths, badShare = usualBadShare, onBad } = options;
  const grouping = lengths ? { lengths, batch } : undefined;
  const order = once
    ? (position: number) => position
    : datasetOrder(dataset, { seed, ...(grouping ? { grouping } : {}) });
  const part = partOf(batch, share);
  const cut = new Map<number, number>();
  const samples = sampler<T>({
    dataset,
    prepare,
    // Positions count the samples of this share.
    order: (own) => order(Math.floor(own / part.count) * batch + part.from + (own % part.count)),
    // Of the step after the next one: one that takes long to make is not waited for.
    ahead: once ? 0 : part.count,
    // In other epochs a process meets other samples, in the end all: each tolerates what one alone would.
    tolerance: badShare,
    ...(onBad ? { onBad } : {}),
  });
  return {
    about: {
      ...{ seed, batch, microBatch, samples: dataset.count },
      ...(Number.isFinite(longest) ? { longest } : {}),
      ...(grouping ? { grouped: true } : {}),
      ...(dataset.parts ? { weights: dataset.parts.map(({ weight }) => weight) } : {}),
    },
    accumulates: part.count > microBatch,
    ...(once || part.count % microBatch > 0 ? {} : { rows: microBatch }),
    check: samples.check,
    async take(step) {
      const left = once ? dataset.count - step * part.count : part.count;
      const taken = await samples.take(step * part.count, Math.min(part.count, left));
      const own = taken.filter((sample) => sample.cut).length;
      if (own > 0) cut.set(step, own);
      return taken;
    },
    cutIn(step) {
      const own = cut.get(step) ?? 0;
      cut.delete(step);
      return own;
    },
  };
}

/** Refuses batches of one sample, where samples are compared with each other; `why` says so. */
export function checkNeighbours(why: string, { count }: Dataset, { batch, once = false }: SampleOptions): void {
  const last = once ? count % batch : 0;
  if (batch >= 2 && last !== 1) return;
  const left = batch < 2 ? '' : `; of ${count}, the last one would be alone`;
  throw new QuintetError('config', `${why}: at least 2 in a batch${left}`, {
    at: once ? 'evaluate: batch' : 'batch',
    ...(once
      ? { hint: 'say how many held-out samples make a batch; where nothing is said, a micro-batch is one' }
      : {}),
  });
}
