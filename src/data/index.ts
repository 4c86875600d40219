export * from './answers.js';
export * from './batches.js';
export * from './dataset.js';
export * from './order.js';
export { dataError, type Sample } from './sample.js';
export * from './sampler.js';
