/** Which files of a repository a model needs. */

import { QuintetError } from '../tensor/index.js';
import { sentenceFiles } from './sentence-files.js';
import { adapterConfigFile, weightsStems } from './weights-file.js';

/** Configuration, tokenizer, templates, processors and the card, for its licence: small, and all of them taken. */
const descriptions = [
  'config.json',
  'generation_config.json',
  'scheduler_config.json',
  adapterConfigFile,
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.json',
  'chat_template.jinja',
  'preprocessor_config.json',
  'video_preprocessor_config.json',
  'processor_config.json',
  'README.md',
];

const pipelineIndex = 'model_index.json';

/**
 * The files that a model needs of those that its repository has: descriptions and one set of safetensors weights of the
 * folder itself, or where it is a diffusers pipeline of each component's folder. What shows that a download was whole comes
 * last: the weights of a model, the index of a pipeline.
 */
export function modelFiles(all: readonly string[], repository: string): string[] {
  const isPipeline = all.includes(pipelineIndex);
  const folders = isPipeline ? [...new Set(all.map(folderOf))].filter((folder) => folder !== '') : [''];
  const isExtra = (path: string): boolean =>
    /^(additional_chat_templates\/[^/]+\.jinja|generator_tokenizer\/[^/]+\.(json|txt))$/.test(path) ||
    sentenceFiles.some((name) => name === path);
  const chosen = all.filter(isExtra);
  for (const folder of folders) {
    const names = all.filter((path) => folderOf(path) === folder).map((path) => path.slice(folder.length));
    const needed = [...names.filter((name) => descriptions.includes(name)), ...weights(names)];
    chosen.push(...needed.map((name) => `${folder}${name}`));
  }
  if (!chosen.some((path) => path.endsWith('.safetensors'))) throw noWeights(all, repository);
  return isPipeline ? [...chosen, pipelineIndex] : chosen;
}

/** With its slash at the end; '' for the outermost. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** One file, or an index with its shards. */
function weights(names: readonly string[]): string[] {
  for (const stem of weightsStems) {
    if (names.includes(`${stem}.safetensors`)) return [`${stem}.safetensors`];
    if (names.includes(`${stem}.safetensors.index.json`)) {
      const shard = new RegExp(`^${stem}-\\d{5}-of-\\d{5}\\.safetensors$`);
      return [`${stem}.safetensors.index.json`, ...names.filter((name) => shard.test(name))];
    }
  }
  const single = names.filter((name) => name.endsWith('.safetensors'));
  return single.length === 1 ? single : [];
}

function noWeights(all: readonly string[], repository: string): QuintetError {
  const gguf = all.filter((path) => path.endsWith('.gguf'));
  if (gguf.length > 0) {
    const hint = `Name one of its files, as in ${repository}/${gguf[0]}: ${gguf.slice(0, 30).join(', ')}.`;
    return new QuintetError('not-found', `${repository} has GGUF files`, { hint });
  }
  const pickled = all.some((path) => /\.(bin|pt|pth|ckpt)$/.test(path));
  const hint = pickled
    ? 'It has PyTorch files, which are read from a folder of this machine only; look for a safetensors version.'
    : 'Is it a model?';
  return new QuintetError('not-found', `${repository} has no safetensors weights`, { hint });
}
