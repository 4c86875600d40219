export { type ConstraintSpec, constrain, constrainInParts } from './constrain.js';
export { constrainedDetokenizer } from './detokenizer.js';
export type { Constraint } from './masks.js';
