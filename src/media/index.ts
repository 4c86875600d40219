export * from './decode.js';
export * from './load.js';
export * from './picture.js';
export * from './processors/index.js';
export * from './resize.js';
