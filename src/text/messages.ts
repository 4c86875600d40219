/** A conversation, in the form in which Hugging Face's chat templates take it. */

import { QuintetError } from '../tensor/index.js';

export const roles = ['system', 'user', 'assistant', 'tool'] as const;
export type Role = (typeof roles)[number];

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** The place of a picture; the pictures themselves go beside the messages, in the order of their places. */
export interface ImagePart {
  readonly type: 'image';
}

export type ContentPart = TextPart | ImagePart;

export interface Message {
  readonly role: Role;
  readonly content: string | readonly ContentPart[];
  /** Further fields as templates read them, such as `tool_calls`, JSON values. */
  readonly further?: Readonly<Record<string, unknown>>;
}

/** Whether a value is the content of a message. */
export function isContent(value: unknown): value is Message['content'] {
  if (typeof value === 'string') return true;
  return Array.isArray(value) && value.every((part) => part?.type === 'image' || isText(part));
}

const isText = (part: Partial<TextPart> | null): boolean => part?.type === 'text' && typeof part.text === 'string';

/** How many pictures the messages have places for. */
export function countImages(messages: readonly Message[]): number {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  return parts.filter(({ type }) => type === 'image').length;
}

/** The same messages with every content in parts: what templates of models that see pictures iterate over. */
export function inParts(messages: readonly Message[]): Message[] {
  return messages.map(({ content, ...message }) => ({
    ...message,
    content: typeof content === 'string' ? [{ type: 'text', text: content }] : content,
  }));
}

/** The same messages with every content as one text: what templates of language models write. Throws 'data' at a picture. */
export function inTexts(messages: readonly Message[]): Message[] {
  const textOf = (part: ContentPart): string => {
    if (part.type === 'text') return part.text;
    throw new QuintetError('data', 'a picture in a conversation of a model that sees none');
  };
  return messages.map(({ content, ...message }) => ({
    ...message,
    content: typeof content === 'string' ? content : content.map(textOf).join('\n'),
  }));
}
