/** Spaces before punctuation taken away after decoding: `clean_up_tokenization_spaces`, and the WordPiece decoder's own. */

import type { TextStage } from './decode.js';

/** Each in turn over the whole text, in the order of transformers' clean_up_tokenization. */
const contractions: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];
/** The tokenizers library has one more, which transformers dropped. */
const libraryContractions = contractions.toSpliced(7, 0, [' do not', " don't"]);

export function cleanUpToken(token: string): string {
  return apply(libraryContractions, token);
}

function apply(pairs: readonly (readonly [string, string])[], text: string): string {
  return pairs.reduce((sofar, [from, to]) => sofar.replaceAll(from, to), text);
}

/**
 * The same on streamed text. Every rule starts with a space, so text is given out up to a space that no rule can reach across:
 * one after another sign, unless a lone apostrophe stands before it.
 */
export function cleanUpStage(): TextStage {
  let held = '';
  return {
    push(text) {
      held += text;
      const safe = safeLength(held);
      if (safe === 0) return [];
      const ready = apply(contractions, held.slice(0, safe));
      held = held.slice(safe);
      return [ready];
    },
    flush() {
      const rest = apply(contractions, held);
      held = '';
      return rest === '' ? [] : [rest];
    },
  };
}

function safeLength(text: string): number {
  // The longest rule has four characters, of which the first is a space.
  if (text.length >= 3 && !text.slice(-3).includes(' ')) return text.length;
  for (let i = text.lastIndexOf(' '); i > 0; i = text.lastIndexOf(' ', i - 1)) {
    if (text[i - 1] !== ' ' && text.slice(i - 2, i) !== " '") return i;
  }
  return 0;
}
