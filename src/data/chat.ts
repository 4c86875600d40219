/**
 * Chat messages, as Hugging Face's and OpenAI's fine-tuning formats write them:
 *
 *     {"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "What?"}]},
 *                   {"role": "assistant", "content": "A cat."}]}
 *
 * A picture is named in its part (`image`, `path` or `url`, or `image_url` as OpenAI has it), or the part has only its type
 * and takes the next of the record's `images`. In a record with `images` a plain text may say `<image>` for such a part. An
 * answer with `"weight": 0` is not learnt, as in OpenAI's format. The `tools` of a record, and what messages say of their calls
 * and of thoughts, are for the chat template.
 */

import { type Fields, fields } from '../tensor/index.js';
import { type ContentPart, type Message, roles } from '../text/messages.js';
import { readPicture, readPictures } from './pictures.js';
import { type Conversation, dataError, type PictureData, toolsOf } from './sample.js';
import { placeholder, withImages } from './turns.js';

export function readChat(record: Fields): Conversation {
  const rest = readPictures(record);
  const listed = rest.length;
  const pictures: PictureData[] = [];
  const messages = record.objects('messages').map((message): Message => {
    const own = { role: message.choice('role', roles), ...furtherOf(message) };
    if (!Array.isArray(message.raw.content)) {
      const text = plainText(message, own);
      if (listed === 0 || !text.includes(placeholder)) return { ...own, content: text };
      const parts = withImages(text.split(placeholder));
      for (const { type } of parts) if (type === 'image') pictures.push(next(rest, message.at));
      return { ...own, content: parts };
    }
    return { ...own, content: message.objects('content').map((part) => readPart(part, rest, pictures)) };
  });
  if (messages.length === 0) throw dataError(record.at, 'messages: expected one message or more');
  if (rest.length > 0) {
    const hint = 'Each needs a part {"type": "image"} at its place in a message';
    throw dataError(record.at, `${listed} images, but the messages have places for ${listed - rest.length}`, hint);
  }
  const unlearnt = record.objects('messages').flatMap((message, i) => (isLearnt(message) ? [] : [i]));
  return { messages, pictures, ...toolsOf(record), ...(unlearnt.length > 0 ? { unlearnt } : {}) };
}

/** A message's plain text; a call of a tool may say nothing. */
export const plainText = (message: Fields, { further }: Pick<Message, 'further'>): string =>
  message.text('content', further?.tool_calls ? '' : undefined);

/** What of a message templates read besides what it says. */
export function furtherOf(message: Fields): Pick<Message, 'further'> {
  const names = ['tool_calls', 'reasoning_content', 'name', 'tool_call_id'];
  const told = names.flatMap((name) => (isSaid(message.raw[name]) ? [[name, message.raw[name]] as const] : []));
  return told.length > 0 ? { further: Object.fromEntries(told) } : {};
}

/** Many records have all fields, and nothing in those that say nothing. */
const isSaid = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

function isLearnt(message: Fields): boolean {
  const weight = message.number('weight', 1);
  if (weight === 0 || weight === 1) return weight === 1;
  throw dataError(message.at, `a weight of ${weight}; it is 1, or 0 for an answer that is not learnt`);
}

/** Reads a part; the picture of an image goes to `pictures`, from the part itself or from the `rest` of the images. */
function readPart(part: Fields, rest: PictureData[], pictures: PictureData[]): ContentPart {
  const type = part.choice('type', ['text', 'image', 'image_url']);
  if (type === 'text') return { type, text: part.text('text') };
  const picture = type === 'image' ? namedPicture(part) : linkedPicture(part);
  pictures.push(picture ?? next(rest, part.at));
  return { type: 'image' };
}

function next(rest: PictureData[], at: string): PictureData {
  const picture = rest.shift();
  if (picture !== undefined) return picture;
  throw dataError(at, 'an image without a picture', 'Name it as "image", or give the record a list "images"');
}

function namedPicture(part: Fields): PictureData | undefined {
  const name = ['image', 'path', 'url'].find((name) => part.has(name));
  return name === undefined ? undefined : readPicture(part.raw[name], `${part.at}.${name}`);
}

function linkedPicture(part: Fields): string {
  const link = part.raw.image_url;
  return typeof link === 'string' ? link : fields(link, `${part.at}.image_url`).text('url');
}
