/** Which of a folder's files holds its weights. No file system here. */

import { QuintetError } from '../tensor/index.js';

/** Names the files of a model's parts, which are checkpoints of their own. */
export const partsFile = 'model.parts.json';

/** PEFT's files in the folder of an adapter: its settings, and its values. */
export const adapterConfigFile = 'adapter_config.json';
export const adapterValuesFile = 'adapter_model.safetensors';

/** The names that the weights of transformers, diffusers and peft have, first choice first. */
export const weightsStems = ['model', 'diffusion_pytorch_model', 'adapter_model'];
const preferred = [
  partsFile,
  ...weightsStems.flatMap((stem) => [`${stem}.safetensors`, `${stem}.safetensors.index.json`]),
];

/** What transformers and diffusers called them before safetensors. */
const torchNames = ['pytorch_model.bin', 'diffusion_pytorch_model.bin', 'adapter_model.bin'];

/** A file beside another, named without a path that could lead elsewhere. */
export const isPlainName = (name: string): boolean => /^[A-Za-z0-9_][\w.+=-]{0,254}$/.test(name);

const isSafe = (name: string): boolean => /\.(safetensors|gguf)$/.test(name);
export const isWeightsFile = (name: string): boolean => isSafe(name) || isTorchFile(name);
export const isTorchFile = (name: string): boolean => /\.(bin|pt|pth|ckpt)$/.test(name);

/** Whether all files are parts of a GGUF model that begins with this one. */
function isWhole(name: string, files: readonly string[]): boolean {
  const parts = partNames(name);
  return parts.length > 1 && files.every((file) => parts.includes(file));
}

/** The names of all parts of which a file is called the first; itself where it is called nothing of the kind. */
export function partNames(name: string): string[] {
  const [, stem, first, count] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s.exec(name) ?? [];
  if (stem === undefined || Number(first) !== 1 || Number(count) > mostParts) return [name];
  return Array.from({ length: Number(count) }, (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`);
}

/** The largest models that are published in parts have some hundred. */
const mostParts = 1000;

/** The file that holds or lists the weights, of the names in a folder. */
export function chooseWeights(names: readonly string[], folder: string): string {
  const chosen = preferred.find((name) => names.includes(name));
  if (chosen !== undefined) return chosen;
  const safe = names.filter(isSafe).sort();
  const weights = safe.length > 0 ? safe : names.filter(isTorchFile).sort();
  const usual = weights.find((name) => torchNames.includes(name)) ?? weights.find((name) => isWhole(name, weights));
  if (weights.length === 1 || usual) return usual ?? (weights[0] as string);
  if (weights.length > 1) {
    const hint = `Name one of the files: ${weights.join(', ')}.`;
    throw new QuintetError('not-found', `${weights.length} weight files and none of the usual names`, {
      at: folder,
      hint,
    });
  }
  const hint = `Expected ${preferred.slice(1, 3).join(' or ')}, a .gguf file, or one of PyTorch's.`;
  throw new QuintetError('not-found', 'no weights in this folder', { at: folder, hint });
}
