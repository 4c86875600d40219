/** Models of nine million arbitrary numbers, whose memory is measured. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveCheckpoint } from '../../src/checkpoint/index.js';
import { llama } from '../../src/recipes/llama.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { byteSizeOf, type DType, fields, type HostArray, seedFor, zerosArray } from '../../src/tensor/index.js';
import { ggufModel } from './gguf-model.js';

export type Kind = 'f32' | 'f16' | 'bf16' | 'gguf-q8_0' | 'gguf-f32';

const shape = { width: 256, depth: 6, heads: 4, kvHeads: 4, hidden: 1024, vocab: 12288 };

const config = {
  model_type: 'llama',
  hidden_size: shape.width,
  num_hidden_layers: shape.depth,
  num_attention_heads: shape.heads,
  num_key_value_heads: shape.kvHeads,
  intermediate_size: shape.hidden,
  vocab_size: shape.vocab,
  max_position_embeddings: 2048,
  tie_word_embeddings: true,
};

const declarations = declarationsOf(llama.fromConfig(fields(config, 'config.json')));

/** Bytes of every weight once in f32. */
export const neededBytes = 4 * parameterCount(declarations.values());

/** Writes a model; returns the path by which it is loaded. */
export async function writeModel(kind: Kind, folder: string): Promise<string> {
  if (kind.startsWith('gguf')) {
    const path = join(folder, 'model.gguf');
    writeFileSync(path, ggufModel({ ...shape, blocks: kind === 'gguf-q8_0' }));
    return path;
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const dtype = kind as DType;
  const tensors = [...declarations.values()].map(({ name, shape: own }) => {
    return [name, { dtype, shape: own, read: async () => arbitrary(dtype, own, seedFor(1, name)) }] as const;
  });
  await saveCheckpoint(folder, tensors);
  return folder;
}

/** Small numbers of either sign, by the bytes that hold their exponents. */
function arbitrary(dtype: DType, shape: readonly number[], seed: number): HostArray {
  const array = zerosArray(dtype, shape);
  const bytes = new Uint8Array(array.data.buffer);
  const size = byteSizeOf(dtype, [1]);
  for (let i = 0; i < bytes.length; i++) {
    const last = i % size === size - 1;
    bytes[i] = last ? (dtype === 'f16' ? 0x24 : 0x3c) | ((i & 64) << 1) : Math.imul(i + seed, 2654435761) >>> 13;
  }
  return array;
}
