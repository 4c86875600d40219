/**
 * LLaMA and the models of its shape, without pictures.
 *
 * Touvron et al., 2023, https://arxiv.org/abs/2302.13971; SmolLM2: Ben Allal et al., 2025, https://arxiv.org/abs/2502.02737
 */
import { type LlamaConfig, llama as llamaBackbone, readLlama } from '../parts/backbones/llama.js';
import { recipe, slot, system } from '../system/index.js';

export const llama = recipe({
  name: 'llama',
  modelTypes: ['llama'],
  published: ['HuggingFaceTB/SmolLM2-135M-Instruct'],
  sizes: {
    '2-7b': { width: 4096, depth: 32, heads: 32, hidden: 11008, vocab: 32000, context: 4096, epsilon: 1e-5 },
    '3-8b': {
      ...{ width: 4096, depth: 32, heads: 32, kvHeads: 8, hidden: 14336, vocab: 128256 },
      ...{ context: 8192, epsilon: 1e-5, rotary: { theta: 500000 } },
    },
    'smollm2-135m': {
      ...{ width: 576, depth: 30, heads: 9, kvHeads: 3, hidden: 1536, vocab: 49152, tied: true },
      ...{ context: 8192, epsilon: 1e-5, rotary: { theta: 100000 } },
    },
    tiny: { width: 32, depth: 2, heads: 4, kvHeads: 2, hidden: 48, vocab: 256, context: 128 },
  },
  read: readLlama,
  build: (config: LlamaConfig, name) => system({ name, backbone: slot(llamaBackbone(config), { prefix: '' }) }),
});
