/** Texts and pictures for models that compare them, or see one of them alone: a row each. */

import { imageProcessorOf } from '../media/index.js';
import type { HostArrays } from '../system/index.js';
import { fields, type HostArray, hostArray, QuintetError } from '../tensor/index.js';
import { createTokenizer } from '../text/index.js';
import type { Model } from './model.js';
import type { PicturedChat } from './prompt.js';

/**
 * What an encoder takes for the texts and the pictures of some messages, whoever says them: `input_ids` [B, T] with
 * `attention_mask`, `pixel_values` [M, 3, height, width]. Texts are cut to the model's length, their end token stays.
 */
export function processPairs({ network, files }: Model, chats: readonly PicturedChat[]): HostArrays {
  if (!files) throw new QuintetError('not-found', 'the model came from no folder', { at: network.name });
  const contents = chats.flatMap(({ messages }) => messages.map(({ content }) => content));
  const texts = contents.flatMap((content) => {
    if (typeof content === 'string') return [content];
    return content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  });
  const pictures = chats.flatMap((chat) => chat.pictures);
  const { processorConfig: processor, preprocessorConfig: preprocessor } = files;
  const pixels = pictures.length > 0 ? imageProcessorOf({ processor, preprocessor })([pictures]).tensors : {};
  return { ...(texts.length > 0 ? encodeTexts({ network, files }, texts) : {}), ...pixels };
}

/**
 * Texts as `input_ids` [B, T] with `attention_mask`, cut to the model's length. With `full` they are padded to that length,
 * which the model then reads like words: there is no mask.
 */
export function encodeTexts(
  { network, files }: Pick<Model, 'network' | 'files'>,
  texts: readonly string[],
  { full = readsPadding(files) }: { readonly full?: boolean } = {},
): HostArrays {
  if (!files?.tokenizer) {
    throw new QuintetError('not-found', 'no tokenizer.json beside the weights', { at: network.name });
  }
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const longest = fields(files.tokenizerConfig ?? {}, 'tokenizer_config.json').whole('model_max_length');
  const rows = texts.map((text) => cut(tokenizer.encode(text, { special: true, parse: true }), longest));
  const length = full ? longest : Math.max(...rows.map((row) => row.length));
  const table = (of: (row: readonly number[], t: number) => number): HostArray =>
    hostArray(
      'i64',
      [rows.length, length],
      rows.flatMap((row) => Array.from({ length }, (_, t) => of(row, t))),
    );
  const ids = table((row, t) => row[t] ?? tokenizer.special.pad ?? 0);
  return full ? { input_ids: ids } : { input_ids: ids, attention_mask: table((row, t) => (t < row.length ? 1 : 0)) };
}

/** SigLIP was trained on padding to the full length, which its last token sees; the others are told by a mask. */
function readsPadding(files: Model['files']): boolean {
  return fields(files?.tokenizerConfig ?? {}, 'tokenizer_config.json')
    .text('tokenizer_class', '')
    .startsWith('Siglip');
}

function cut(ids: readonly number[], longest: number): readonly number[] {
  return ids.length <= longest ? ids : [...ids.slice(0, longest - 1), ids.at(-1) as number];
}
