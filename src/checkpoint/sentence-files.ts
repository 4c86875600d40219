/** What sentence-transformers writes beside a model: how the states of a text become one vector, and how long texts are. */

import { type Fields, fields, parseJson, QuintetError } from '../tensor/index.js';
import type { JsonObject } from './checkpoint.js';
import type { Folder } from './folder-files.js';

/** Where published models have the settings of pooling. */
export const poolingFolder = '1_Pooling';

/** The files of it, as a folder lists them. */
export const sentenceFiles = ['modules.json', 'sentence_bert_config.json', `${poolingFolder}/config.json`] as const;

const largest = 2 ** 20;

const modes: Readonly<Record<string, string>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
};

/**
 * `{ pooling, longest }`: how states are pooled, and the most tokens of a text. Undefined of a folder that no sentence
 * encoder was saved in. Fails with 'unsupported' for poolings other than the mean and the first token.
 */
export async function sentenceSettings(folder: Folder): Promise<JsonObject | undefined> {
  const [modules, lengths, pooling] = sentenceFiles;
  if (!folder.names.has(modules) || !folder.names.has(pooling)) return undefined;
  const read = async (name: string): Promise<Fields> =>
    fields(parseJson(await folder.text(name, largest), `${folder.at}/${name}`), name);
  const longest = folder.names.has(lengths) ? (await read(lengths)).raw.max_seq_length : undefined;
  const mode = poolingOf(await read(pooling));
  return { pooling: mode, ...(typeof longest === 'number' ? { longest } : {}) };
}

function poolingOf(settings: Fields): string {
  const asked = Object.keys(settings.raw).filter(
    (key) => key.startsWith('pooling_mode_') && settings.raw[key] === true,
  );
  const known = asked.length === 1 ? modes[asked[0] as string] : undefined;
  if (known) return known;
  throw new QuintetError('unsupported', `pooling by ${asked.join(' and ') || 'nothing'}`, {
    at: settings.at,
    hint: `known: ${Object.keys(modes).join(', ')}`,
  });
}
