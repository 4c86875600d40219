/** Samples of different length as tensors: right padding, which is neither looked at nor learnt. */

import { type HostArray, ignored, QuintetError, zerosArray } from '../tensor/index.js';
import type { LabelledTokens } from './answers.js';

/** B samples, T the length of the longest; labels of an encoder-decoder have a length of their own. */
export interface TokenBatch {
  /** i64 [B, T] */
  readonly input_ids: HostArray;
  /** i64 [B, T]: 1 for tokens, 0 for padding. Whether a token is learnt is another matter. */
  readonly attention_mask: HostArray;
  /** i64 [B, T]: -100 where nothing is learnt. */
  readonly labels: HostArray;
}

/** Samples of any length, filled up with the id `pad`. */
export function padded(samples: readonly LabelledTokens[], pad: number): TokenBatch {
  const rows = (valuesOf: (sample: LabelledTokens) => readonly number[], padding: number): HostArray => {
    const length = samples.reduce((most, sample) => Math.max(most, valuesOf(sample).length), 0);
    const array = zerosArray('i64', [samples.length, length]);
    const data = (array.data as BigInt64Array).fill(BigInt(padding));
    for (const [row, sample] of samples.entries()) {
      for (const [i, value] of valuesOf(sample).entries()) data[row * length + i] = BigInt(value);
    }
    return array;
  };
  return {
    input_ids: rows(({ ids }) => ids, pad),
    attention_mask: rows(({ ids }) => ids.map(() => 1), 0),
    labels: rows(({ labels }) => labels, ignored),
  };
}

/** How many tokens are predicted: labels, but for that of the first token, which nothing comes before. */
export function targetsOf({ labels }: LabelledTokens): number {
  return labels.reduce((sum, label, i) => (i > 0 && label !== ignored ? sum + 1 : sum), 0);
}

/** The first `longest` tokens of a sample. Throws 'data' where nothing is left to learn. */
export function cutTo(sample: LabelledTokens, longest: number, where: string): LabelledTokens {
  const cut = { ids: sample.ids.slice(0, longest), labels: sample.labels.slice(0, longest) };
  if (targetsOf(cut) > 0) return cut;
  const why = targetsOf(sample) > 0 ? `its first ${longest} of ${sample.ids.length} tokens` : 'it';
  throw new QuintetError('data', `no answer to learn in ${why}`, { at: where });
}

/** The samples of a step as micro-batches of at most `size`, similar lengths together. */
export function microBatches<T extends LabelledTokens>(samples: readonly T[], size: number): T[][] {
  const sorted = samples.toSorted((a, b) => a.ids.length - b.ids.length);
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, i) => sorted.slice(i * size, (i + 1) * size));
}
