/** Where the benchmarks find and put things. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { weightsFolder } from '../../test/weights.js';

export const projectFolder = fileURLToPath(new URL('../..', import.meta.url));

/** What `make_models.py` wrote, and what runs write. */
export const cacheFolder = join(projectFolder, '.cache', 'bench');

/** The published file, and what was made of it. */
export const models = {
  q4_1: join(weightsFolder, 'smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'),
  q8_0: join(cacheFolder, 'gguf', 'model-Q8_0.gguf'),
  f32: join(cacheFolder, 'gguf', 'model-F32.gguf'),
  f32Folder: join(cacheFolder, 'hugging-face'),
  bf16: join(cacheFolder, 'hugging-face-bf16'),
  onnxQ4: join(cacheFolder, 'transformers-js', 'q4'),
  onnxF32: join(cacheFolder, 'transformers-js', 'fp32'),
} as const;
