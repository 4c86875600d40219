export * from './adapter.js';
export * from './cache.js';
export * from './dual-encoder.js';
export * from './network.js';
export * from './objective.js';
export * from './recipe.js';
export * from './stage.js';
export * from './system.js';
