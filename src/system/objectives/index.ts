export * from './grpo.js';
export * from './kto.js';
export * from './objective.js';
export * from './preference.js';
export * from './reference-free.js';
export * from './words.js';
