/** One conversation to learn from, whatever file it came from. */

import { type Fields, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';

/** The absolute path of a picture's file, or the bytes that such a file has. */
export type PictureData = string | Uint8Array;

export interface Sample {
  readonly id: string;
  readonly messages: readonly Message[];
  /** In the order of their places in the messages. */
  readonly pictures: readonly PictureData[];
  /** The file and the line, row or member, for error messages. */
  readonly where: string;
}

/** What a format makes of one record. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** Bytes, or paths as the file writes them. */
  readonly pictures: readonly PictureData[];
}

export function dataError(at: string, message: string, hint?: string): QuintetError {
  return new QuintetError('data', message, hint === undefined ? { at } : { at, hint });
}

/** A record's own id, a text or a number, or undefined. */
export function idOf(record: Fields): string | undefined {
  const id = record.raw.id;
  return typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined;
}
