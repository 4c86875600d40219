/** Text from tokens as they are generated: never half a character, and in all exactly what decoding the whole list gives. */

import type { Tokenizer } from './tokenizer.js';

export interface Detokenizer {
  /** The text that is certain after one more token; may be empty. */
  push(id: number): string;
  /** What was held back: an incomplete character becomes U+FFFD. */
  flush(): string;
}

/** Takes constant time a token, averaged over the text. */
export function createDetokenizer(
  tokenizer: Tokenizer,
  { skipSpecial = false }: { readonly skipSpecial?: boolean } = {},
): Detokenizer {
  const stream = tokenizer.textStream();
  return {
    push(id) {
      const token = tokenizer.tokenOf(id);
      return token === undefined || (skipSpecial && tokenizer.isSpecial(id)) ? '' : stream.push(token);
    },
    flush: stream.flush,
  };
}
