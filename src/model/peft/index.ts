export * from './read.js';
export { type AdapterBase, checkWritable, fitsBeside, writeAdapter } from './write.js';
