/** Texts and pictures for models that compare them, or see one of them alone: a row each. */

import type { FolderFiles } from '../checkpoint/index.js';
import { imageProcessorOf } from '../media/index.js';
import type { HostArrays } from '../system/index.js';
import { fields, type HostArray, hostArray, QuintetError } from '../tensor/index.js';
import { createTokenizer } from '../text/index.js';
import { captionIds, isLatentDiffusion } from './diffuse.js';
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
  if (texts.length === 0) return pixels;
  return {
    ...(isLatentDiffusion(network) ? { input_ids: captionIds(files, texts) } : encodeTexts(files, texts)),
    ...pixels,
  };
}

function encodeTexts(files: FolderFiles, texts: readonly string[]): HostArrays {
  if (!files.tokenizer) throw new QuintetError('not-found', 'no tokenizer.json beside the weights');
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const settings = fields(files.tokenizerConfig ?? {}, 'tokenizer_config.json');
  // SigLIP was trained on padding to the full length, which its last token sees; the others are told by a mask.
  if (settings.text('tokenizer_class', '').startsWith('Siglip')) return { input_ids: captionIds(files, texts) };
  const sentence = fields(files.config ?? {}, 'config.json').object('sentence_transformers', { optional: true });
  const longest = sentence.whole('longest', settings.whole('model_max_length'));
  const rows = texts.map((text) => {
    const ids = tokenizer.encode(text, { special: true, parse: true });
    return ids.length <= longest ? ids : [...ids.slice(0, longest - 1), ids.at(-1) as number];
  });
  const length = Math.max(...rows.map((row) => row.length));
  const table = (of: (row: readonly number[], t: number) => number): HostArray =>
    hostArray(
      'i64',
      [rows.length, length],
      rows.flatMap((row) => Array.from({ length }, (_, t) => of(row, t))),
    );
  return {
    input_ids: table((row, t) => row[t] ?? tokenizer.special.pad ?? 0),
    attention_mask: table((row, t) => (t < row.length ? 1 : 0)),
  };
}
