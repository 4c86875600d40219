export { type ConstraintSpec, constrain } from './constrain.js';
export { constrainedDetokenizer } from './detokenizer.js';
export type { Constraint } from './masks.js';
export { readyVocabulary } from './vocabulary.js';
