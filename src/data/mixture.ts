/** Several datasets as one, of which each gives its share of the samples. */

import { QuintetError } from '../tensor/index.js';
import type { Dataset, Part } from './dataset.js';

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
  let count = 0;
  const starts = parts.map((part) => {
    count += part.count;
    return count - part.count;
  });
  const at = (index: number): [Dataset, number] => {
    const part = starts.findLastIndex((start) => start <= index);
    return [(mixed[part] as MixedDataset).dataset, index - (starts[part] as number)];
  };
  return {
    path: mixed.map(({ dataset }) => dataset.path).join(', '),
    count,
    parts,
    where(index) {
      const [dataset, inner] = at(index);
      return dataset.where(inner);
    },
    read(index) {
      const [dataset, inner] = at(index);
      return dataset.read(inner);
    },
    async lengths() {
      const all: number[] = [];
      for (const { dataset } of mixed) for (const length of await dataset.lengths()) all.push(length);
      return all;
    },
    async close() {
      for (const { dataset } of mixed) await dataset.close();
    },
  };
}
