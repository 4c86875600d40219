export * from './activations.js';
export * from './attention.js';
export * from './blocks.js';
export * from './glob.js';
export * from './init.js';
export * from './layers.js';
export * from './params.js';
export * from './rotary.js';
