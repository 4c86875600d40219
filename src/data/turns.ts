/**
 * Conversations of turns, as LLaVA (https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md) and
 * ShareGPT write them:
 *
 *     {"id": "7", "image": "cat.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat?"},
 *                                                       {"from": "gpt", "value": "A cat."}]}
 *     {"images": ["a.jpg", "b.jpg"], "system": "Be brief.", "conversations": […]}
 *
 * Each `<image>` is the place of the next picture. White space around it goes: the chat template puts what the model wants.
 */

import type { Fields } from '../tensor/index.js';
import type { ContentPart, Message, Role } from '../text/messages.js';
import { readPictures } from './pictures.js';
import { type Conversation, dataError, toolsOf } from './sample.js';

const speakers = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  function_call: 'assistant',
  system: 'system',
  observation: 'tool',
  tool: 'tool',
} as const satisfies Readonly<Record<string, Role>>;

export const placeholder = '<image>';

export function readTurns(record: Fields): Conversation {
  for (const name of ['videos', 'audios']) {
    const value = record.raw[name];
    if (Array.isArray(value) && value.length > 0) throw dataError(record.at, `${name} cannot be learnt from`);
  }
  const pictures = readPictures(record);
  let places = 0;
  const turns = record.objects('conversations').map((turn): Message => {
    const role = speakers[turn.choice('from', Object.keys(speakers) as (keyof typeof speakers)[])];
    const pieces = turn.text('value').split(placeholder);
    places += pieces.length - 1;
    return { role, content: pieces.length === 1 ? (pieces[0] as string) : withImages(pieces) };
  });
  if (turns.length === 0) throw dataError(record.at, 'conversations: expected one turn or more');
  if (places !== pictures.length) {
    throw dataError(
      record.at,
      `${pictures.length} pictures, but ${places} places "${placeholder}" in the conversation`,
    );
  }
  const system = record.text('system', '');
  return {
    messages: system === '' ? turns : [{ role: 'system', content: system }, ...turns],
    pictures,
    ...toolsOf(record),
  };
}

/** The texts between images, and an image between each two. */
export function withImages(pieces: readonly string[]): ContentPart[] {
  return pieces.flatMap((piece, i): ContentPart[] => {
    const text = piece.trim();
    return [...(i > 0 ? [{ type: 'image' } as const] : []), ...(text === '' ? [] : [{ type: 'text', text } as const])];
  });
}
