/**
 * Records of one or a few exchanges about pictures, which stand before the first of them:
 *
 *     {"image": "cat.jpg", "caption": "A cat."}                                a question without words; also as "text"
 *     {"image": "cat.jpg", "question": "What is it?", "answer": "A cat."}
 *     {"images": ["cat.jpg"], "texts": [{"user": "What is it?", "assistant": "A cat."}]}
 *
 * and of a text alone: {"text": "Cats sleep most of the day."}
 */

import type { Fields } from '../tensor/index.js';
import type { ContentPart, Message } from '../text/messages.js';
import { readPictures } from './pictures.js';
import { type Conversation, dataError, type Sample } from './sample.js';

interface Exchange {
  readonly question: string;
  readonly answer: string;
}

/** A picture's caption; the first where a record has a list of them. */
export function readCaption(record: Fields): Conversation {
  const name = record.has('caption') ? 'caption' : 'text';
  const answer = Array.isArray(record.raw[name]) ? record.texts(name)[0] : record.text(name);
  if (answer === undefined) throw dataError(record.at, `${name}: expected one caption or more`);
  const conversation = conversationOf(record, [{ question: '', answer }]);
  if (conversation.pictures.length > 0) return conversation;
  if (name === 'text') return { messages: [], pictures: [], text: answer };
  throw dataError(record.at, 'a caption without a picture', 'Name its file as "image"');
}

/** What is said of a sample's one picture. */
export function captionOf({ messages, pictures, where }: Sample): string {
  const last = messages.at(-1);
  if (last?.role !== 'assistant' || pictures.length !== 1) {
    throw dataError(where, 'expected one picture and, as the last answer, its caption');
  }
  const { content } = last;
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}

export function readQuestion(record: Fields): Conversation {
  return conversationOf(record, [{ question: record.text('question'), answer: record.text('answer') }]);
}

/** As the collections of the Cauldron have them (https://huggingface.co/datasets/HuggingFaceM4/the_cauldron). */
export function readExchanges(record: Fields): Conversation {
  const exchanges = record.objects('texts');
  if (exchanges.length === 0) throw dataError(record.at, 'texts: expected one exchange or more');
  return conversationOf(
    record,
    exchanges.map((one) => ({ question: one.text('user'), answer: one.text('assistant') })),
  );
}

function conversationOf(record: Fields, exchanges: readonly Exchange[]): Conversation {
  const pictures = readPictures(record);
  const messages = exchanges.flatMap(({ question, answer }, i): Message[] => {
    const images = i === 0 ? pictures.map((): ContentPart => ({ type: 'image' })) : [];
    const words: readonly ContentPart[] = question === '' ? [] : [{ type: 'text', text: question }];
    return [
      { role: 'user', content: images.length > 0 ? [...images, ...words] : question },
      { role: 'assistant', content: answer },
    ];
  });
  return { messages, pictures };
}
