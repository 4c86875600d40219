export { adapterConfigFile, adapterValuesFile } from './names.js';
export * from './read.js';
export { type AdapterBase, writeAdapter } from './write.js';
