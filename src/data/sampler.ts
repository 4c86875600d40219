/** Takes samples in their order. A bad one is told of and replaced; too many of them are a mistake in the data. */

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

export interface Sampler<T> {
  /**
   * The samples at `count` positions of the order, from a position on. In place of a bad one stands the next good one of the
   * file, so that what is seen at a position depends on nothing else. Throws 'data' when more are bad than are tolerated.
   */
  take(from: number, count: number): Promise<T[]>;
  /** How many different samples were found bad. */
  readonly bad: number;
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

  /** Counts a bad sample; throws where the error is not the sample's, or there are too many. */
  function blame(index: number, error: unknown): void {
    if (!(error instanceof QuintetError) || !blamed.has(error.code)) throw error;
    bad.add(index);
    onBad(error);
    if (bad.size <= tolerance * dataset.count && bad.size < dataset.count) return;
    const share = `${bad.size} of ${dataset.count} samples cannot be used, more than ${100 * tolerance} %`;
    throw new QuintetError('data', `${share}; the last: ${error.message}`, { at: dataset.path, cause: error });
  }

  async function sampleAt(position: number): Promise<T> {
    for (let index = order(position); ; index = (index + 1) % dataset.count) {
      if (bad.has(index)) continue;
      try {
        return await prepare(await dataset.read(index));
      } catch (error) {
        blame(index, error);
      }
    }
  }

  return {
    async take(from, count) {
      const samples: T[] = [];
      for (let i = 0; i < count; i++) samples.push(await sampleAt(from + i));
      return samples;
    },
    get bad() {
      return bad.size;
    },
  };
}
