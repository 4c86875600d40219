/** One conversation to learn from, whatever file it came from. */

import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Fields, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';

export interface Sample {
  readonly id: string;
  readonly messages: readonly Message[];
  /** Absolute paths, in the order of the pictures' places in the messages. */
  readonly pictures: readonly string[];
  /** The file and line, for error messages. */
  readonly where: string;
}

/** What a format makes of one record. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** As the file writes them. */
  readonly pictures: readonly string[];
}

export function dataError(at: string, message: string, hint?: string): QuintetError {
  return new QuintetError('data', message, hint === undefined ? { at } : { at, hint });
}

/** A record's own id, a text or a number, or undefined. */
export function idOf(record: Fields): string | undefined {
  const id = record.raw.id;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

/** The absolute path of a picture, which must lie within `root`: a data file names no other file of this machine. */
export function picturePath(written: string, root: string, at: string): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(written) && !written.startsWith('file:')) {
    const shown = written.length > 60 ? `${written.slice(0, 60)}…` : written;
    throw dataError(at, `the picture "${shown}" is not a local file`, 'Download pictures first and give their paths');
  }
  const path = resolve(root, written.startsWith('file:') ? pathOfUrl(written, at) : written);
  const inside = relative(root, path);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw dataError(at, `the picture "${written}" is outside ${root}`, 'Name the folder that the pictures are in');
  }
  return path;
}

function pathOfUrl(url: string, at: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw dataError(at, `"${url}" is not the address of a file: ${(error as Error).message}`);
  }
}
