/**
 * Chat messages, as Hugging Face's and OpenAI's fine-tuning formats write them:
 *
 *     {"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "What?"}]},
 *                   {"role": "assistant", "content": "A cat."}]}
 *
 * A picture is named in its part (`image`, `path` or `url`, or `image_url` as OpenAI has it), or the part has only its type
 * and takes the next of the record's `images`.
 */

import { type Fields, fields } from '../tensor/index.js';
import { type ContentPart, type Message, roles } from '../text/messages.js';
import { type Conversation, dataError } from './sample.js';

export function readChat(record: Fields): Conversation {
  const rest = record.has('images') ? [...record.texts('images')] : [];
  const listed = rest.length;
  const pictures: string[] = [];
  const messages = record.objects('messages').map((message): Message => {
    const role = message.choice('role', roles);
    if (!Array.isArray(message.raw.content)) return { role, content: message.text('content') };
    return { role, content: message.objects('content').map((part) => readPart(part, rest, pictures)) };
  });
  if (messages.length === 0) throw dataError(record.at, 'messages: expected one message or more');
  if (rest.length > 0) {
    const hint = 'Each needs a part {"type": "image"} at its place in a message';
    throw dataError(record.at, `${listed} images, but the messages have places for ${listed - rest.length}`, hint);
  }
  return { messages, pictures };
}

/** Reads a part; the picture of an image goes to `pictures`, from the part itself or from the `rest` of the images. */
function readPart(part: Fields, rest: string[], pictures: string[]): ContentPart {
  const type = part.choice('type', ['text', 'image', 'image_url']);
  if (type === 'text') return { type, text: part.text('text') };
  const picture = type === 'image' ? namedPicture(part) : linkedPicture(part);
  const found = picture ?? rest.shift();
  if (found === undefined) {
    throw dataError(part.at, 'an image without a picture', 'Name it as "image", or give the record a list "images"');
  }
  pictures.push(found);
  return { type: 'image' };
}

function namedPicture(part: Fields): string | undefined {
  const name = ['image', 'path', 'url'].find((name) => part.has(name));
  return name === undefined ? undefined : part.text(name);
}

function linkedPicture(part: Fields): string {
  const link = part.raw.image_url;
  return typeof link === 'string' ? link : fields(link, `${part.at}.image_url`).text('url');
}
