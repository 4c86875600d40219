/** What opens checkpoints from bytes in memory, without a file system: the part of this folder that a browser can load. */

export { dequantise } from './gguf-blocks.js';
export { type GgufCheckpoint, openGguf } from './gguf-checkpoint.js';
export { openSafetensors, openShards } from './safetensors-checkpoint.js';
export { parseShardIndex, type ShardIndex } from './shard-index.js';
export { type ByteSource, bytesSource, type InitializerSource } from './source.js';
