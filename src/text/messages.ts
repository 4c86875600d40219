/** A conversation, in the form in which Hugging Face's chat templates take it. */

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
}

/** How many pictures the messages have places for. */
export function countImages(messages: readonly Message[]): number {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  return parts.filter(({ type }) => type === 'image').length;
}
