export { type ConstraintSpec, constrain } from './constrain.js';
export type { Constraint } from './masks.js';
