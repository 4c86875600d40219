export * from './array.js';
export * from './dims.js';
export * from './dtype.js';
export * from './errors.js';
export * from './fields.js';
export * from './json.js';
export * from './random.js';
