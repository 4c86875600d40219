/** A file of chat messages, and what a model's processor makes of them. */

import { dirname, resolve } from 'node:path';
import { readJson } from '../checkpoint/index.js';
import { readChat } from '../data/chat.js';
import { loadPicture } from '../media/index.js';
import { createProcessor, isSystem, type Model, type PicturedChat, processPairs } from '../model/index.js';
import type { HostArrays } from '../system/index.js';
import { fields, QuintetError } from '../tensor/index.js';

/**
 * The tensors that a model takes for the chat, or the batch of chats, in a JSON file. Paths of pictures are relative to the
 * file. A chat that ends with the assistant is taken as it is; any other asks for an answer.
 */
export async function processMessages(model: Model, file: string): Promise<HostArrays> {
  const chats = await readChats(file);
  if (!isSystem(model)) return processPairs(model, chats);
  const ended = chats.map(({ messages }) => messages.at(-1)?.role === 'assistant');
  if (ended.some((end) => end !== ended[0])) {
    throw new QuintetError('data', 'some chats end with the assistant and some do not', { at: file });
  }
  return createProcessor(model).process(chats, { prompt: !ended[0] });
}

/** Pictures may stand in it as data: addresses. */
const largestChats = 2 ** 28;

async function readChats(file: string): Promise<PicturedChat[]> {
  const value = await readJson(file, largestChats);
  if (!Array.isArray(value) || value.length === 0) {
    throw new QuintetError('data', 'expected a list of messages, or a list of such lists', { at: file });
  }
  const chats: readonly unknown[] = Array.isArray(value[0]) ? value : [value];
  return Promise.all(
    chats.map(async (messages, i) => {
      const at = chats.length > 1 ? `${file}[${i}]` : file;
      const chat = readChat(fields({ messages }, at));
      const pictures = await Promise.all(
        chat.pictures.map((path) =>
          loadPicture(typeof path === 'string' && !path.startsWith('data:') ? resolve(dirname(file), path) : path),
        ),
      );
      return { messages: chat.messages, pictures };
    }),
  );
}
