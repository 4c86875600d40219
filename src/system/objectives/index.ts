export * from './objective.js';
export * from './words.js';
