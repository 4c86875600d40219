/**
 * Words that are hidden from an encoder, which learns to guess them.
 *
 * Devlin et al., "BERT", 2019, section 3.1, https://arxiv.org/abs/1810.04805
 */
import { ignored, type Random } from '../tensor/index.js';
import type { LabelledTokens } from './answers.js';

export interface Masking {
  /** The part of the tokens that is to be guessed. */
  readonly share: number;
  /** The token that stands for a hidden one. */
  readonly mask: number;
  /** Words are drawn from the ids below it. */
  readonly words: number;
  /** Whether a token marks something, such as a beginning: those stay. */
  isSpecial(id: number): boolean;
}

/**
 * Each token is to be guessed with the probability `share`, for itself: of those 80 % are hidden, 10 % are another word, 10 %
 * stay as they are.
 */
export function masked(ids: readonly number[], masking: Masking, random: Random): LabelledTokens {
  const { share, mask, words, isSpecial } = masking;
  const given: number[] = [];
  const labels: number[] = [];
  for (const id of ids) {
    const guessed = !isSpecial(id) && random.uniform() < share;
    labels.push(guessed ? id : ignored);
    const way = guessed ? random.uniform() : 1;
    if (way < 0.8) given.push(mask);
    else if (way < 0.9) given.push(random.integer(words));
    else given.push(id);
  }
  return { ids: given, labels };
}
