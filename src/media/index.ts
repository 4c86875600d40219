export * from './decode.js';
export * from './picture.js';
export * from './resize.js';
