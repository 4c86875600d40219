/** The JSON files and chat templates of a published model folder, wherever the folder lies. No file system here. */

import { fields, parseJson, QuintetError } from '../tensor/index.js';
import type { Checkpoint, JsonObject } from './checkpoint.js';
import type { GgufCheckpoint } from './gguf-checkpoint.js';
import { ggufArchitectures, ggufTokenIds } from './gguf-llama.js';
import { sentenceSettings } from './sentence-files.js';
import { adapterConfigFile } from './weights-file.js';

/** A folder whose files can be read whole. */
export interface Folder {
  /** Names the folder in error messages. */
  readonly at: string;
  /** Names of its files; those of a subfolder with its name and a slash before them. */
  readonly names: ReadonlySet<string>;
  /** A file of at most `limit` bytes as text. */
  text(name: string, limit: number): Promise<string>;
}

/** The parsed files beside the weights; a file that is not there is undefined. */
export interface FolderFiles {
  /** `config.json`, with what `sentenceSettings` finds as `sentence_transformers`; of a scheduler `scheduler_config.json`. */
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
  /** `vocab.json` and `merges.txt`, where they stand for a tokenizer.json. */
  readonly vocabulary?: { readonly vocab: JsonObject; readonly merges: string };
  /** The files of `generator_tokenizer`: how a generator of pictures within reads texts by itself. */
  readonly generatorTokenizer?: FolderFiles;
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
  adapterConfig: [adapterConfigFile],
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
const largestJson = 2 ** 24;
const largestTemplate = 2 ** 20;

/** Twice what the largest tokenizers have. */
const mostValues = 2 ** 22;

/** The most bytes that are read of a file beside the weights. */
export function largestFile(name: string): number {
  if (name === 'tokenizer.json') return largestTokenizer;
  return name.endsWith('.jinja') ? largestTemplate : largestJson;
}

/** Where further templates of a folder stand, a file each. */
export const templatesFolder = 'additional_chat_templates';

/** Where the tokenizer of a generator within a system stands. */
export const generatorTokenizerFolder = 'generator_tokenizer';

/** A folder's subfolder, as far as the names of its files are known. */
function within({ at, names, text }: Folder, inner: string): Folder | undefined {
  const start = `${inner}/`;
  const own = [...names].flatMap((name) => (name.startsWith(start) ? [name.slice(start.length)] : []));
  if (own.length === 0) return undefined;
  return { at: `${at}/${inner}`, names: new Set(own), text: (name, limit) => text(start + name, limit) };
}

/** The JSON files and chat templates of a folder. Fails with 'config' where a JSON file holds no object. */
export async function parseFolder(folder: Folder): Promise<FolderFiles> {
  const entries = Object.entries(jsonFiles).map(async ([key, candidates]) => {
    const name = candidates.find((candidate) => folder.names.has(candidate));
    return [key, name === undefined ? undefined : await readObject(folder, name)] as const;
  });
  const parsed = Object.fromEntries(await Promise.all(entries)) as Record<
    keyof typeof jsonFiles,
    JsonObject | undefined
  >;
  const sentence = await sentenceSettings(folder);
  if (sentence && parsed.config) parsed.config = { ...parsed.config, sentence_transformers: sentence };
  const chatTemplates = await readChatTemplates(folder, parsed);
  const inner = within(folder, generatorTokenizerFolder);
  const generator = inner ? { generatorTokenizer: await parseFolder(inner) } : {};
  const older = parsed.tokenizer === undefined && folder.names.has('vocab.json') && folder.names.has('merges.txt');
  if (!older) return { ...parsed, ...generator, chatTemplates };
  const merges = await folder.text('merges.txt', largestFile('merges.txt'));
  return {
    ...parsed,
    ...generator,
    chatTemplates,
    vocabulary: { vocab: await readObject(folder, 'vocab.json'), merges },
  };
}

/** A .gguf file carries all of it: configuration, vocabulary and template are key-value pairs of its header. */
export function parseGgufModel(checkpoint: GgufCheckpoint, path: string): ModelFiles {
  const { config, metadata } = checkpoint;
  if (config === undefined) {
    const architecture = JSON.stringify(metadata.get('general.architecture'));
    const hint = `Known are ${ggufArchitectures.join(', ')}.`;
    throw new QuintetError('unsupported', `a GGUF model of the architecture ${architecture}`, { at: path, hint });
  }
  const template = metadata.get('tokenizer.chat_template');
  const chatTemplates = new Map(typeof template === 'string' ? [['default', template]] : []);
  return { ...noFiles, config, generationConfig: ggufTokenIds(metadata), chatTemplates, path, checkpoint };
}

async function readObject(folder: Folder, name: string): Promise<JsonObject> {
  const text = await folder.text(name, largestFile(name));
  return fields(parseJson(text, `${folder.at}/${name}`, { values: mostValues }), name).raw;
}

/** The places where a chat template may stand, the first one that has any wins: the order of transformers. */
async function readChatTemplates(
  folder: Folder,
  parsed: Pick<FolderFiles, 'processorConfig' | 'tokenizerConfig'>,
): Promise<ReadonlyMap<string, string>> {
  const templates = new Map<string, string>();
  if (folder.names.has('chat_template.jinja')) {
    templates.set('default', await folder.text('chat_template.jinja', largestTemplate));
  }
  for (const name of folder.names) {
    if (!name.startsWith(`${templatesFolder}/`) || !name.endsWith('.jinja')) continue;
    const stem = name.slice(templatesFolder.length + 1, -'.jinja'.length);
    templates.set(stem, await folder.text(name, largestFile(name)));
  }
  if (templates.has('default')) return templates;
  const older = folder.names.has('chat_template.json') ? await readObject(folder, 'chat_template.json') : undefined;
  for (const file of [older, parsed.processorConfig, parsed.tokenizerConfig]) {
    const found = templatesIn(file?.chat_template);
    if (found.size > 0) return new Map([...templates, ...found]);
  }
  return templates;
}

/** A template as a text, or several as a list of `{ name, template }` or as texts by name. */
function templatesIn(value: unknown): Map<string, string> {
  if (typeof value === 'string') return new Map([['default', value]]);
  if (value === undefined || value === null) return new Map();
  if (!Array.isArray(value)) {
    const named = fields(value, 'chat_template');
    return new Map(Object.keys(named.raw).map((name) => [name, named.text(name)]));
  }
  return new Map(
    value.map((item, i) => {
      const named = fields(item, `chat_template[${i}]`);
      return [named.text('name'), named.text('template')];
    }),
  );
}
