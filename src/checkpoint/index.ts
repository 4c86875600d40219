export * from './bytes.js';
export * from './checkpoint.js';
export { bytesAt, type DerivedTensor, derivedTensors } from './derived-file.js';
export { type CheckedFile, checkDerived, type DerivedFile, derivedFiles, removeDerived } from './derived-folder.js';
export {
  checkDestination,
  freePath,
  kindOfPath,
  makeFolder,
  readJson,
  syncFolder,
  writeAtomically,
  writeResult,
} from './file.js';
export { fetchFile, type HubProgress, type Patience, type Transfer, usualPatience } from './file-download.js';
export { fileFetch } from './file-fetch.js';
export { fingerprint } from './fingerprint.js';
export type { FolderFiles, ModelFiles } from './folder-files.js';
export { type GgufEntry, type GgufHeader, largestGgufHeader, parseGgufHeader } from './gguf.js';
export { isQuantised, type QuantisedType, quantisedTypes } from './gguf-types.js';
export { type HubOptions, hubOptionsFromEnvironment, partsOfModelName, resolveModel } from './hub.js';
export { withLock } from './hub-cache.js';
export * from './model-folder.js';
export { openCheckpoint, readTensors } from './open.js';
export * from './pipeline-folder.js';
export { runHint, runRecordFile, runResults } from './run-place.js';
export { largestHeader, parseSafetensorsHeader, type SafetensorsEntry, type SafetensorsHeader } from './safetensors.js';
export { isAsWritten } from './safetensors-digest.js';
export * from './safetensors-write.js';
export { adapterConfigFile, adapterValuesFile, isWeightsFile, partsFile } from './weights-file.js';
