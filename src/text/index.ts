export { createDetokenizer, type Detokenizer } from './detokenizer.js';
export { createStopMatcher, type StopMatcher } from './stop.js';
export { createTokenizer, type EncodeOptions, type SpecialIds, type Tokenizer } from './tokenizer.js';
