/** What opens checkpoints from bytes in memory, or over HTTP, without a file system: the part that a browser can load. */

export type { FolderFiles, ModelFiles } from './folder-files.js';
export { blockFormOf, dequantise, repack } from './gguf-blocks.js';
export { type GgufCheckpoint, openGguf } from './gguf-checkpoint.js';
export { type DownloadOptions, type DownloadProgress, download, downloadFolder } from './http-folder.js';
export { type MemoryFiles, openMemoryFolder } from './memory-folder.js';
export { openSafetensors, openShards } from './safetensors-checkpoint.js';
export { parseShardIndex, type ShardIndex } from './shard-index.js';
export { type ByteSource, bytesSource } from './source.js';
export { openTorch } from './torch-checkpoint.js';
