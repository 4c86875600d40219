/** Conversations in files: what was seen of one, so that another process goes on without reading it again. */

import { openCheckpoint, writeSafetensors } from '../checkpoint/index.js';
import { parameterCount } from '../system/index.js';
import { fields, hostArray, parseJson, QuintetError, sameShape, toNumbers } from '../tensor/index.js';
import type { Chat } from './chat.js';

const format = 'quintet conversation 1';

/**
 * Writes the conversation that a chat answered last: its tokens, keys and values (safetensors). Pictures are not in it, only
 * what tells them apart. Fails with 'data' where nothing was answered yet.
 */
export async function saveConversation(chat: Chat, file: string): Promise<void> {
  const { latest } = chat.recollection;
  if (!latest) throw new QuintetError('data', 'there is no conversation to save yet');
  const { ids, pictures } = latest;
  // No longer than it is: room for more is made when it goes on.
  const { arrays } = chat.language.fork(latest.cache, ids.length, ids.length);
  const tensors = Object.entries({ ids: hostArray('i64', [ids.length], ids), ...arrays });
  await writeSafetensors(file, tensors, {
    metadata: { format, model: modelOf(chat), pictures: JSON.stringify(pictures) },
  });
}

/**
 * Reads what `saveConversation` wrote: the next reply that begins with that conversation's messages and pictures goes on from
 * there. Fails with 'format' at another file, with 'weights' where it was another model's.
 */
export async function restoreConversation(chat: Chat, file: string): Promise<void> {
  const checkpoint = await openCheckpoint(file);
  try {
    const { metadata, tensors } = checkpoint;
    if (metadata.get('format') !== format || !tensors.has('ids')) {
      throw new QuintetError('format', 'the file holds no conversation', { at: file });
    }
    const of = metadata.get('model');
    if (of !== modelOf(chat)) {
      throw new QuintetError('weights', `a conversation with ${String(of)}, not with ${modelOf(chat)}`, { at: file });
    }
    const ids = toNumbers(await checkpoint.read('ids'));
    const empty = chat.language.start(1, ids.length);
    const read = Object.entries(empty.arrays).map(async ([name, { shape }]) => {
      const array = await checkpoint.read(name);
      const [rows, heads, , width] = shape as [number, number, number, number];
      if (array.dtype === 'f32' && sameShape(array.shape, [rows, heads, ids.length, width]))
        return [name, array] as const;
      throw new QuintetError('format', `${name} is not of this conversation`, { at: file });
    });
    const arrays = Object.fromEntries(await Promise.all(read));
    const listed = parseJson(String(metadata.get('pictures')), file);
    const pictures = fields({ pictures: listed }, file).texts('pictures');
    const cache = { ...empty, lengths: [ids.length], arrays, seen: [ids.map(() => true)] };
    chat.recollection.keep({ ids, pictures, cache });
  } finally {
    await checkpoint.close();
  }
}

/** What a cache must be of: the same network with as many parameters. */
function modelOf({ model: { network, declarations } }: Chat): string {
  return `${network.name}, ${parameterCount(declarations.values())} parameters`;
}
