/** Several datasets as one, of which each gives its share of the samples. */

import { QuintetError } from '../tensor/index.js';
import type { Dataset, Part } from './dataset.js';
import { joined } from './formats/joined.js';

export interface MixedDataset {
  readonly dataset: Dataset;
  /** The part of all samples that are drawn from it, beside the other weights; default by its number of samples. */
  readonly weight?: number;
}

/** The datasets one after another; their order (`datasetOrder`) draws from each by its weight. */
export function mixDatasets(mixed: readonly MixedDataset[]): Dataset {
  const [first] = mixed;
  if (!first) throw new QuintetError('data', 'a mixture of no data');
  if (mixed.length === 1) return first.dataset;
  const parts = mixed.map(({ dataset: { count, blocks }, weight }): Part => {
    return { count, weight: weight ?? count, ...(blocks ? { blocks } : {}) };
  });
  const { starts: _, ...samples } = joined(mixed.map(({ dataset }) => dataset));
  return { ...samples, parts, path: mixed.map(({ dataset }) => dataset.path).join(', ') };
}
