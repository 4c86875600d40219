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
  return { ...(texts.length > 0 ? encodeTexts(network.name, files, texts) : {}), ...pixels };
}

type Files = NonNullable<Model['files']>;

function encodeTexts(at: string, files: Files, texts: readonly string[]): Record<string, HostArray> {
  if (!files.tokenizer) throw new QuintetError('not-found', 'no tokenizer.json beside the weights', { at });
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const settings = fields(files.tokenizerConfig ?? {}, 'tokenizer_config.json');
  const longest = settings.whole('model_max_length');
  const rows = texts.map((text) => cut(tokenizer.encode(text, { special: true, parse: true }), longest));
  // SigLIP was trained on padding to the full length, which its last token sees; the others are told by a mask.
  const full = settings.text('tokenizer_class', '').startsWith('Siglip');
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

function cut(ids: readonly number[], longest: number): readonly number[] {
  return ids.length <= longest ? ids : [...ids.slice(0, longest - 1), ids.at(-1) as number];
}
