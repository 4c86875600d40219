/** Which of a folder's files holds its weights. No file system here. */

import { QuintetError } from '../tensor/index.js';

/** The names that the weights of transformers, diffusers and peft have, first choice first. */
const stems = ['model', 'diffusion_pytorch_model', 'adapter_model'];
const preferred = stems.flatMap((stem) => [`${stem}.safetensors`, `${stem}.safetensors.index.json`]);

/** The file that holds or lists the weights, of the names in a folder. */
export function chooseWeights(names: readonly string[], folder: string): string {
  const chosen = preferred.find((name) => names.includes(name));
  if (chosen !== undefined) return chosen;
  const weights = names.filter((name) => /\.(safetensors|gguf)$/.test(name)).sort();
  if (weights.length === 1) return weights[0] as string;
  if (weights.length > 1) {
    const hint = `Name one of the files: ${weights.join(', ')}.`;
    throw new QuintetError('not-found', `${weights.length} weight files and none of the usual names`, {
      at: folder,
      hint,
    });
  }
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  const hint =
    pickles.length > 0
      ? `${pickles[0]} is a Python pickle, which can run code and is never opened; convert it to safetensors.`
      : `Expected ${preferred.slice(0, 2).join(' or ')}, or a .gguf file.`;
  throw new QuintetError('not-found', 'no weights in this folder', { at: folder, hint });
}
