/** The text of an answer under a constraint: exactly the bytes that the constraint saw, whatever else a decoder does. */

import type { Detokenizer } from '../detokenizer.js';
import type { Tokenizer } from '../tokenizer.js';
import { vocabularyOf } from './vocabulary.js';

export function constrainedDetokenizer(tokenizer: Tokenizer): Detokenizer {
  const { spelled } = vocabularyOf(tokenizer);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let isFirst = true;
  return {
    push(id) {
      const bytes = spelled(id, isFirst);
      isFirst &&= bytes === '';
      return decoder.decode(
        Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)),
        { stream: true },
      );
    },
    flush() {
      isFirst = true;
      return decoder.decode();
    },
  };
}
