export { clipTokenizer, type VocabularyFiles } from './clip-tokenizer.js';
export {
  type Constraint,
  type ConstraintSpec,
  constrain,
  constrainedDetokenizer,
  constrainInParts,
} from './constraints/index.js';
export { createDetokenizer, type Detokenizer } from './detokenizer.js';
export { ggufTokenizer } from './gguf-tokenizer.js';
export { createStopMatcher, type StopMatcher } from './stop.js';
export type { TemplateLimits } from './template/budget.js';
export { type ChatMessage, type RenderedChat, type RenderOptions, renderChat } from './template/render.js';
export { createTokenizer, type EncodeOptions, type SpecialIds, type Tokenizer } from './tokenizer.js';
