/** Which of a folder's files holds its weights. No file system here. */

import { QuintetError } from '../tensor/index.js';

/** The names that the weights of transformers, diffusers and peft have, first choice first. */
const stems = ['model', 'diffusion_pytorch_model', 'adapter_model'];
const preferred = stems.flatMap((stem) => [`${stem}.safetensors`, `${stem}.safetensors.index.json`]);

/** What transformers and diffusers called them before safetensors. */
const torchNames = ['pytorch_model.bin', 'diffusion_pytorch_model.bin', 'adapter_model.bin'];

export const isTorchFile = (name: string): boolean => /\.(bin|pt|pth|ckpt)$/.test(name);

/** The file that holds or lists the weights, of the names in a folder. */
export function chooseWeights(names: readonly string[], folder: string): string {
  const chosen = preferred.find((name) => names.includes(name));
  if (chosen !== undefined) return chosen;
  const safe = names.filter((name) => /\.(safetensors|gguf)$/.test(name)).sort();
  const weights = safe.length > 0 ? safe : names.filter(isTorchFile).sort();
  const usual = weights.find((name) => torchNames.includes(name));
  if (weights.length === 1 || usual) return usual ?? (weights[0] as string);
  if (weights.length > 1) {
    const hint = `Name one of the files: ${weights.join(', ')}.`;
    throw new QuintetError('not-found', `${weights.length} weight files and none of the usual names`, {
      at: folder,
      hint,
    });
  }
  const hint = `Expected ${preferred.slice(0, 2).join(' or ')}, a .gguf file, or one of PyTorch's.`;
  throw new QuintetError('not-found', 'no weights in this folder', { at: folder, hint });
}
