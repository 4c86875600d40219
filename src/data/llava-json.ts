/**
 * LLaVA's conversations (https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md):
 *
 *     {"id": "7", "image": "cat.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat?"},
 *                                                       {"from": "gpt", "value": "A cat."}]}
 *
 * Each `<image>` is the place of the next picture. White space around it goes: the chat template puts what the model wants.
 */

import type { Fields } from '../tensor/index.js';
import type { ContentPart, Message, Role } from '../text/messages.js';
import { type Conversation, dataError } from './sample.js';

const speakers: Readonly<Record<'human' | 'user' | 'gpt' | 'assistant' | 'system', Role>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  system: 'system',
};
const placeholder = '<image>';

export function readLlava(record: Fields): Conversation {
  const pictures = readImages(record);
  let places = 0;
  const messages = record.objects('conversations').map((turn): Message => {
    const role = speakers[turn.choice('from', Object.keys(speakers) as (keyof typeof speakers)[])];
    const pieces = turn.text('value').split(placeholder);
    places += pieces.length - 1;
    return { role, content: pieces.length === 1 ? (pieces[0] as string) : withImages(pieces) };
  });
  if (messages.length === 0) throw dataError(record.at, 'conversations: expected one turn or more');
  if (places !== pictures.length) {
    throw dataError(
      record.at,
      `${pictures.length} pictures, but ${places} places "${placeholder}" in the conversation`,
    );
  }
  return { messages, pictures };
}

function readImages(record: Fields): readonly string[] {
  if (!record.has('image')) return [];
  return Array.isArray(record.raw.image) ? record.texts('image') : [record.text('image')];
}

/** The texts between images, and an image between each two. */
function withImages(pieces: readonly string[]): ContentPart[] {
  return pieces.flatMap((piece, i): ContentPart[] => {
    const text = piece.trim();
    return [...(i > 0 ? [{ type: 'image' } as const] : []), ...(text === '' ? [] : [{ type: 'text', text } as const])];
  });
}
