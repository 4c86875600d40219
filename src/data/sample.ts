/** One conversation to learn from, whatever file it came from. */

import { type Fields, fields, parseJson, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';

/** The absolute path of a picture's file, or the bytes that such a file has. */
export type PictureData = string | Uint8Array;

/** An answer to a conversation that is known to be good or bad, as messages that go on with it. */
export interface Answer {
  readonly messages: readonly Message[];
  readonly good: boolean;
}

export interface Sample {
  readonly id: string;
  readonly messages: readonly Message[];
  /** A text that nobody says to anybody; there are no messages then. */
  readonly text?: string;
  /** The functions that may be called, as JSON schemas. */
  readonly tools?: readonly unknown[];
  /** Messages of the assistant that are not learnt, by their places. */
  readonly unlearnt?: readonly number[];
  /** In the order of their places in the messages. */
  readonly pictures: readonly PictureData[];
  /** Answers to compare with each other or to tell apart: the messages are then what they answer. */
  readonly answers?: readonly Answer[];
  /** How much better the chosen one of two answers is. */
  readonly margin?: number;
  /** All that the record of a prompt says, for whoever rewards its answers. */
  readonly record?: Readonly<Record<string, unknown>>;
  /** The file and the line, row or member, for error messages. */
  readonly where: string;
}

/** What a format makes of one record. */
export interface Conversation
  extends Pick<Sample, 'messages' | 'text' | 'tools' | 'unlearnt' | 'answers' | 'margin' | 'record'> {
  /** Bytes, or paths as the file writes them. */
  readonly pictures: readonly PictureData[];
}

export function dataError(at: string, message: string, hint?: string): QuintetError {
  return new QuintetError('data', message, hint === undefined ? { at } : { at, hint });
}

/** The tools of a record: a list, or its JSON where a column holds texts. */
export function toolsOf(record: Fields): Pick<Conversation, 'tools'> {
  const { tools } = record.raw;
  if (tools === undefined || tools === null || tools === '') return {};
  const own = typeof tools === 'string' ? fields({ tools: parseJson(tools, `${record.at}.tools`) }, record.at) : record;
  const list = own.objects('tools').map(({ raw }) => raw);
  return list.length > 0 ? { tools: list } : {};
}

/** A record's own id, a text or a number, or undefined. */
export function idOf(record: Fields): string | undefined {
  const id = record.raw.id;
  return typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined;
}
