export * from './array.js';
export * from './dims.js';
export * from './dtype.js';
export * from './errors.js';
export * from './random.js';
