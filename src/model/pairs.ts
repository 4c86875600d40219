/** Texts and pictures for models that compare them, or see one of them alone: a row each. */

import type { FolderFiles } from '../checkpoint/index.js';
import { imageProcessorOf } from '../media/index.js';
import type { HostArrays, Network } from '../system/index.js';
import { type Fields, fields, type HostArray, hostArray, QuintetError } from '../tensor/index.js';
import { cutText, longestText } from './cut-text.js';
import { captionReader, isLatentDiffusion } from './diffuse.js';
import type { Model } from './model.js';
import { type PicturedChat, tokenizerOf } from './prompt.js';

/**
 * What an encoder takes for the texts and the pictures of some messages, whoever says them: `input_ids` [B, T] with
 * `attention_mask`, `pixel_values` [M, 3, height, width]. Texts are cut to the model's length, their end token stays.
 */
export function processPairs(model: Model, chats: readonly PicturedChat[]): HostArrays {
  const files = filesOf(model);
  const contents = chats.flatMap(({ messages }) => messages.map(({ content }) => content));
  const texts = contents.flatMap((content) => {
    if (typeof content === 'string') return [content];
    return content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  });
  const pictures = chats.flatMap((chat) => chat.pictures);
  const { processorConfig: processor, preprocessorConfig: preprocessor } = files;
  const pixels = pictures.length > 0 ? imageProcessorOf({ processor, preprocessor })([pictures]).tensors : {};
  return texts.length === 0 ? pixels : { ...createTextReader(model)(texts), ...pixels };
}

function filesOf({ network, files }: Pick<Model, 'network' | 'files'>): FolderFiles {
  if (files) return files;
  throw new QuintetError('not-found', 'the model came from no folder', { at: network.name });
}

/** How a model that compares texts with pictures, or sees texts alone, takes texts: as `processPairs` gives them. */
export function createTextReader(model: Pick<Model, 'network' | 'files'>): (texts: readonly string[]) => HostArrays {
  const files = filesOf(model);
  const settings = fields(files.tokenizerConfig ?? {}, 'tokenizer_config.json');
  // SigLIP was trained on padding to the full length, which its last token sees; the others are told by a mask.
  if (isLatentDiffusion(model.network) || settings.text('tokenizer_class', '').startsWith('Siglip')) {
    const read = captionReader(files, model.network);
    return (texts) => ({ input_ids: read(texts) });
  }
  return maskedReader(model.network, files, settings);
}

function maskedReader(
  network: Network,
  files: FolderFiles,
  settings: Fields,
): (texts: readonly string[]) => HostArrays {
  const tokenizer = tokenizerOf(network.name, files);
  const sentence = fields(files.config ?? {}, 'config.json').object('sentence_transformers', { optional: true });
  const longest = sentence.whole('longest', longestText(settings, network));
  return (texts) => {
    const rows = texts.map((text) => cutText(tokenizer.encode(text, { special: true, parse: true }), longest));
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
  };
}
