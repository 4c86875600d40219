/** Texts with masked words as the batches of a run. */

import { type Dataset, type LabelledTokens, type Masking, masked, microBatches, padded } from '../data/index.js';
import { cutText, type Model, tokenizerOf } from '../model/index.js';
import { alone, partOf } from '../parallel/group.js';
import { isMaskedWords } from '../system/index.js';
import { QuintetError, Random, seedFor } from '../tensor/index.js';
import { textOf } from './sample-forms.js';
import type { SampleOptions } from './samples.js';
import { stepSamples } from './step-samples.js';
import type { BatchSource } from './train.js';

export interface MaskedOptions extends SampleOptions {
  /** The part of the tokens that is to be guessed; default 0.15. */
  readonly guessed?: number;
}

interface CutText {
  readonly ids: readonly number[];
  readonly cut: boolean;
}

/** A dataset of texts. Which words are masked is drawn anew each time that a text comes. */
export function maskedBatches(model: Model, dataset: Dataset, options: MaskedOptions): BatchSource {
  const { network, files } = model;
  if (!isMaskedWords(network) || !files) {
    throw new QuintetError('unsupported', 'it guesses no masked words', { at: model.path ?? network.name });
  }
  const tokenizer = tokenizerOf(network.name, files);
  const { mask, pad = 0 } = tokenizer.special;
  if (mask === undefined)
    throw new QuintetError('tokenizer', 'there is no mask_token', { at: model.path ?? network.name });
  const { guessed = 0.15, longest = network.context, batch, microBatch = batch, seed = 0, share = alone } = options;
  const masking: Masking = { share: guessed, mask, words: network.vocab, isSpecial: tokenizer.isSpecial };
  const samples = stepSamples<CutText>(dataset, { ...options, longest }, async (sample) => {
    const ids = tokenizer.encode(textOf(sample), { special: true });
    return { ids: cutText(ids, longest), cut: ids.length > longest };
  });
  const { from } = partOf(batch, share);
  return {
    ...samples,
    fields: ['input_ids', 'attention_mask', 'labels'],
    about: { ...samples.about, guessed },
    async take(step) {
      const rows = (await samples.take(step)).map(({ ids }, i): LabelledTokens => {
        // The same row has the same mask, whoever computes it beside which others.
        return masked(ids, masking, new Random(seedFor(seed, 'masks', step, from + i)));
      });
      return microBatches(rows, microBatch).map((part) => ({ ...padded(part, pad) }));
    },
  };
}
