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

/** Rows with several samples, which do not see each other. */
export interface PackedBatch extends TokenBatch {
  /** i64 [B, T]: the number of each token's sample in its row, from 1; 0 for padding. */
  readonly attention_mask: HostArray;
  /** i64 [B, T]: from 0 in every sample. */
  readonly position_ids: HostArray;
}

/** Samples in as few rows as first-fit finds, none longer than the longest sample; the longest samples first. */
export function packRows<T extends LabelledTokens>(samples: readonly T[]): T[][] {
  const sorted = samples.toSorted((a, b) => b.ids.length - a.ids.length);
  const most = sorted[0]?.ids.length ?? 0;
  const rows: { readonly samples: T[]; left: number }[] = [];
  for (const sample of sorted) {
    const length = sample.ids.length;
    let row = rows.find(({ left }) => left >= length);
    if (!row) {
      row = { samples: [], left: most };
      rows.push(row);
    }
    row.samples.push(sample);
    row.left -= length;
  }
  return rows.map((row) => row.samples);
}

/** Rows of samples one behind another: what a sample begins with is not learnt from the one before it. */
export function packed(rows: readonly (readonly LabelledTokens[])[], pad: number): PackedBatch {
  const joined = rows.map((row) => ({
    ids: row.flatMap(({ ids }) => ids),
    labels: row.flatMap(({ labels }) => [ignored, ...labels.slice(1)]),
    numbers: row.flatMap(({ ids }, i) => ids.map(() => i + 1)),
    places: row.flatMap(({ ids }) => ids.map((_, place) => place)),
  }));
  const tokens = padded(joined, pad);
  const beside = (valuesOf: (row: (typeof joined)[number]) => number[]): HostArray =>
    padded(
      joined.map((row) => ({ ids: valuesOf(row), labels: [] })),
      0,
    ).input_ids;
  return { ...tokens, attention_mask: beside(({ numbers }) => numbers), position_ids: beside(({ places }) => places) };
}

/** How many tokens are predicted: labels, but for that of the first token, which nothing comes before. */
export function targetsOf({ labels }: LabelledTokens): number {
  return labels.reduce((sum, label, i) => (i > 0 && label !== ignored ? sum + 1 : sum), 0);
}

/** Tokens of which some may be left out. */
export interface CutTokens extends LabelledTokens {
  /** Whether there were more. */
  readonly cut: boolean;
}

/** The first `longest` tokens of a sample. Throws 'data' where nothing is left to learn. */
export function cutTo(sample: LabelledTokens, longest: number, where: string): CutTokens {
  const { ids, labels } = sample;
  const isCut = Math.max(ids.length, labels.length) > longest;
  const cut = { ids: ids.slice(0, longest), labels: labels.slice(0, longest), cut: isCut };
  if (targetsOf(cut) > 0) return cut;
  const why = targetsOf(sample) > 0 ? `its first ${longest} of ${sample.ids.length} tokens` : 'it';
  throw new QuintetError('data', `no answer to learn in ${why}`, { at: where });
}

/** The samples of a step as micro-batches of at most `size`, similar lengths together. */
export function microBatches<T extends LabelledTokens>(samples: readonly T[], size: number): T[][] {
  const sorted = samples.toSorted((a, b) => a.ids.length - b.ids.length);
  return pieces(sorted, size);
}

/** Pieces of so many in their order; the last one may have fewer. */
export const pieces = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
