/** A model folder as published: its JSON files, its chat templates and its weights. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fields, QuintetError } from '../tensor/index.js';
import type { Checkpoint, JsonObject } from './checkpoint.js';
import { fileError, fileSource, kindOfPath, readJson, readText } from './file.js';
import { openGguf } from './gguf-checkpoint.js';
import { ggufArchitectures, ggufTokenIds } from './gguf-llama.js';
import { openCheckpoint } from './open.js';

/** The parsed files beside the weights; a file that is not there is undefined. */
export interface FolderFiles {
  /** `config.json`, of a diffusers scheduler `scheduler_config.json`. */
  readonly config: JsonObject | undefined;
  readonly generationConfig: JsonObject | undefined;
  readonly tokenizer: JsonObject | undefined;
  readonly tokenizerConfig: JsonObject | undefined;
  readonly specialTokensMap: JsonObject | undefined;
  readonly addedTokens: JsonObject | undefined;
  readonly preprocessorConfig: JsonObject | undefined;
  readonly videoPreprocessorConfig: JsonObject | undefined;
  readonly processorConfig: JsonObject | undefined;
  readonly adapterConfig: JsonObject | undefined;
  /** Jinja sources by name; the one that is used unless another is asked for is `default`. */
  readonly chatTemplates: ReadonlyMap<string, string>;
}

/** Of a .gguf file, `config` and `generationConfig` are made from its header; its tokenizer is in `checkpoint.metadata`. */
export interface ModelFiles extends FolderFiles {
  /** The folder or file that was opened. */
  readonly path: string;
  readonly config: JsonObject;
  readonly checkpoint: Checkpoint;
}

const jsonFiles = {
  config: ['config.json', 'scheduler_config.json'],
  generationConfig: ['generation_config.json'],
  tokenizer: ['tokenizer.json'],
  tokenizerConfig: ['tokenizer_config.json'],
  specialTokensMap: ['special_tokens_map.json'],
  addedTokens: ['added_tokens.json'],
  preprocessorConfig: ['preprocessor_config.json'],
  videoPreprocessorConfig: ['video_preprocessor_config.json'],
  processorConfig: ['processor_config.json'],
  adapterConfig: ['adapter_config.json'],
} as const satisfies Record<string, readonly string[]>;

const noFiles = {
  tokenizer: undefined,
  tokenizerConfig: undefined,
  specialTokensMap: undefined,
  addedTokens: undefined,
  preprocessorConfig: undefined,
  videoPreprocessorConfig: undefined,
  processorConfig: undefined,
  adapterConfig: undefined,
} as const;

/** Vocabularies of a quarter of a million tokens take 35 MB; everything else is small. */
const largestTokenizer = 2 ** 26;
const largestTemplate = 2 ** 20;

/**
 * Opens a folder with `config.json` and weights, or a .gguf file. The caller closes `checkpoint`.
 * Fails as `openCheckpoint` does, and with 'config' where a JSON file holds no object.
 */
export async function openModelFolder(path: string): Promise<ModelFiles> {
  if ((await kindOfPath(path)) === 'file') return openGgufModel(path);
  const files = await readFolderFiles(path);
  if (files.config === undefined) throw new QuintetError('not-found', 'no config.json in this folder', { at: path });
  return { ...files, config: files.config, path, checkpoint: await openCheckpoint(path) };
}

/** A .gguf file carries all of it: configuration, vocabulary and template are key-value pairs of its header. */
async function openGgufModel(path: string): Promise<ModelFiles> {
  if (!path.endsWith('.gguf')) {
    throw new QuintetError('not-found', 'a model is a folder with a config.json, or a .gguf file', { at: path });
  }
  const checkpoint = await openGguf(await fileSource(path));
  const { config, metadata } = checkpoint;
  if (config === undefined) {
    await checkpoint.close();
    const architecture = JSON.stringify(metadata.get('general.architecture'));
    const hint = `Known are ${ggufArchitectures.join(', ')}.`;
    throw new QuintetError('unsupported', `a GGUF model of the architecture ${architecture}`, { at: path, hint });
  }
  const template = metadata.get('tokenizer.chat_template');
  const chatTemplates = new Map(typeof template === 'string' ? [['default', template]] : []);
  return { ...noFiles, config, generationConfig: ggufTokenIds(metadata), chatTemplates, path, checkpoint };
}

/** The JSON files and chat templates of a folder. */
export async function readFolderFiles(folder: string): Promise<FolderFiles> {
  const names = await readdir(folder).catch((cause: Error) => {
    throw fileError(folder, cause);
  });
  const present = new Set(names);
  const read = async (candidates: readonly string[]): Promise<JsonObject | undefined> => {
    const name = candidates.find((candidate) => present.has(candidate));
    if (name === undefined) return undefined;
    return fields(await readJson(join(folder, name), name === 'tokenizer.json' ? largestTokenizer : undefined), name)
      .raw;
  };
  const entries = await Promise.all(
    Object.entries(jsonFiles).map(async ([key, candidates]) => [key, await read(candidates)] as const),
  );
  const parsed = Object.fromEntries(entries) as Record<keyof typeof jsonFiles, JsonObject | undefined>;
  return { ...parsed, chatTemplates: await readChatTemplates(folder, present, parsed) };
}

/** The places where a chat template may stand, the first one that has any wins: the order of transformers. */
async function readChatTemplates(
  folder: string,
  present: ReadonlySet<string>,
  parsed: Pick<FolderFiles, 'processorConfig' | 'tokenizerConfig'>,
): Promise<ReadonlyMap<string, string>> {
  const templates = new Map<string, string>();
  if (present.has('chat_template.jinja')) {
    templates.set('default', await readText(join(folder, 'chat_template.jinja'), largestTemplate));
  }
  if (present.has('additional_chat_templates')) {
    for (const name of await readdir(join(folder, 'additional_chat_templates'))) {
      const stem = /^(.+)\.jinja$/.exec(name)?.[1];
      if (stem === undefined) continue;
      templates.set(stem, await readText(join(folder, 'additional_chat_templates', name), largestTemplate));
    }
  }
  if (templates.has('default')) return templates;
  const older = present.has('chat_template.json')
    ? fields(await readJson(join(folder, 'chat_template.json')), 'chat_template.json').raw
    : undefined;
  for (const file of [older, parsed.processorConfig, parsed.tokenizerConfig]) {
    const found = templatesIn(file?.chat_template);
    if (found.size > 0) return new Map([...templates, ...found]);
  }
  return templates;
}

/** A template as a text, or several as a list of `{ name, template }`. */
function templatesIn(value: unknown): Map<string, string> {
  if (typeof value === 'string') return new Map([['default', value]]);
  if (!Array.isArray(value)) return new Map();
  return new Map(
    value.map((item, i) => {
      const named = fields(item, `chat_template[${i}]`);
      return [named.text('name'), named.text('template')];
    }),
  );
}
