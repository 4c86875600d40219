/** Takes samples in their order. A bad one is told of and skipped; too many of them are a mistake in the data. */

import { type ErrorCode, QuintetError } from '../tensor/index.js';
import type { Dataset } from './dataset.js';
import type { Order } from './order.js';
import type { Sample } from './sample.js';

export interface SamplerOptions<T> {
  readonly dataset: Dataset;
  readonly order: Order;
  /** What is made of a sample: its pictures read, its text as tokens. Its errors count as errors of the sample. */
  readonly prepare: (sample: Sample) => Promise<T>;
  /** The part of all samples that may be bad; default 0.01. */
  readonly tolerance?: number;
  /** Hears of each bad sample once. */
  readonly onBad?: (error: QuintetError) => void;
}

export interface Taken<T> {
  readonly samples: readonly T[];
  /** Where the next samples begin: all that is needed to go on from here. */
  readonly position: number;
}

export interface Sampler<T> {
  /** The next `count` good samples from a position on. Throws 'data' when more samples are bad than are tolerated. */
  take(count: number, position: number): Promise<Taken<T>>;
  /** How many different samples were skipped. */
  readonly skipped: number;
}

/** Errors that a sample can be blamed for. */
const blamed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'data',
  'format',
  'limit',
  'media',
  'not-found',
  'template',
  'tokenizer',
]);

export function sampler<T>(options: SamplerOptions<T>): Sampler<T> {
  const { dataset, order, prepare, tolerance = 0.01, onBad = () => {} } = options;
  const bad = new Set<number>();

  function skip(index: number, error: unknown): void {
    if (!(error instanceof QuintetError) || !blamed.has(error.code)) throw error;
    if (bad.has(index)) return;
    bad.add(index);
    onBad(error);
    if (bad.size <= tolerance * dataset.count && bad.size < dataset.count) return;
    const share = `${bad.size} of ${dataset.count} samples cannot be used, more than ${100 * tolerance} %`;
    throw new QuintetError('data', `${share}; the last: ${error.message}`, { at: dataset.path, cause: error });
  }

  return {
    async take(count, position) {
      const samples: T[] = [];
      let next = position;
      while (samples.length < count) {
        const index = order(next++);
        try {
          samples.push(await prepare(await dataset.read(index)));
        } catch (error) {
          skip(index, error);
        }
      }
      return { samples, position: next };
    },
    get skipped() {
      return bad.size;
    },
  };
}
