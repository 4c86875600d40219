/** Conversations in files: what was seen of one, so that another process goes on without reading it again. */

import { isAsWritten, openCheckpoint, writeSafetensors } from '../checkpoint/index.js';
import { fields, hostArray, parseJson, QuintetError, toNumbers } from '../tensor/index.js';
import { outOfSteps } from './cache-steps.js';
import type { Chat } from './chat.js';
import { identityOf } from './identity.js';

const format = 'quintet conversation 3';
/** How the name of an array goes on where it is that of its steps. */
const stepsOf = '.steps';

/**
 * Writes the conversation that a chat answered last: its tokens, keys and values (safetensors). Pictures are not in it, only
 * what tells them apart. Fails with 'data' where nothing was answered yet, with 'unsupported' for an encoder-decoder.
 */
export async function saveConversation(chat: Chat, file: string): Promise<void> {
  const { latest, model } = chat;
  if (model.network.backbone.part.encoder) {
    throw new QuintetError('unsupported', 'an encoder-decoder keeps no conversation: it reads each one as a whole', {
      at: model.network.name,
      hint: 'keep the messages themselves, and give them with the next question',
    });
  }
  if (!latest) throw new QuintetError('data', 'there is no conversation to save yet');
  const { ids, pictures } = latest;
  // No longer than it is: room for more is made when it goes on.
  const { language } = await chat.voices.of(pictures.length);
  const { arrays, angles } = await language.fork(latest.cache, ids.length, ids.length);
  // Keys and values in eight bits say nothing without what their steps stand for.
  const steps = Object.entries(language.steps ?? {}).map(([name, step]) => [`${name}${stepsOf}`, step] as const);
  const tensors = [['ids', hostArray('i64', [ids.length], ids)] as const, ...Object.entries(arrays), ...steps];
  await writeSafetensors(file, tensors, {
    digest: true,
    metadata: {
      ...{ format, model: await identityOf(language.model), pictures: JSON.stringify(pictures) },
      ...(angles === undefined ? {} : { angles: `${angles}` }),
    },
  });
}

/**
 * Reads what `saveConversation` wrote: the next reply that begins with that conversation's messages and pictures goes on from
 * there. Fails with 'format' at a file that does not begin as they do, with 'integrity' at a damaged one, with 'weights' where
 * it was another model's.
 */
export async function restoreConversation(chat: Chat, file: string): Promise<void> {
  const whole = await isAsWritten(file);
  if (whole === false) {
    throw new QuintetError('integrity', 'the conversation is damaged: its bytes are not those that were written', {
      at: file,
      hint: 'give the messages anew, without restoring it',
    });
  }
  const checkpoint = await openCheckpoint(file);
  try {
    const { metadata, tensors } = checkpoint;
    const { dtype, shape } = tensors.get('ids') ?? {};
    const [length = 0] = shape ?? [];
    const { context } = chat.model.network.backbone.part;
    const isOurs = whole && metadata.get('format') === format;
    if (!isOurs || dtype !== 'i64' || shape?.length !== 1 || length < 1 || length > context) {
      throw new QuintetError('format', 'the file holds no conversation', { at: file });
    }
    const pictures = fields({ pictures: parseJson(String(metadata.get('pictures')), file) }, file).texts('pictures');
    const { language, recollection } = await chat.voices.of(pictures.length);
    if (metadata.get('model') !== (await identityOf(language.model))) {
      throw new QuintetError('weights', `a conversation with another model than ${chat.model.network.name} as it is`, {
        at: file,
        hint: 'it goes on with the weights, held the same way, and the adapter that it was held with',
      });
    }
    const names = [...tensors.keys()].filter((name) => name !== 'ids' && !name.endsWith(stepsOf));
    const read = names.map(async (name) => {
      const [array, steps] = [await checkpoint.read(name), `${name}${stepsOf}`];
      return [name, tensors.has(steps) ? outOfSteps(array, await checkpoint.read(steps)) : array] as const;
    });
    const angles = metadata.has('angles') ? Number(metadata.get('angles')) : undefined;
    const cache = language.adopt(Object.fromEntries(await Promise.all(read)), length, angles);
    if (!cache) throw new QuintetError('format', 'the keys and values are not of this conversation', { at: file });
    await recollection.keep({ ids: toNumbers(await checkpoint.read('ids')), pictures, cache });
  } finally {
    await checkpoint.close();
  }
}
