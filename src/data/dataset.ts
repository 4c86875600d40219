/** A file of conversations as samples, read one by one: a JSON array or JSONL, of chat messages, in LLaVA's form, or captioned pictures. */

import { dirname, resolve } from 'node:path';
import { type Fields, fields, parseJson, QuintetError } from '../tensor/index.js';
import { readCaption } from './captions.js';
import { readChat } from './chat-jsonl.js';
import { readLlava } from './llava-json.js';
import { openRecords } from './records.js';
import { type Conversation, dataError, idOf, picturePath, type Sample } from './sample.js';

export interface Dataset {
  readonly path: string;
  readonly count: number;
  /** Throws 'data', 'limit' or 'io' with the file, the line and the field where a sample is not well formed. */
  read(index: number): Promise<Sample>;
  close(): Promise<void>;
}

export interface DatasetOptions {
  /** The folder that pictures are relative to, and lie in; default the folder of the file. */
  readonly pictures?: string;
}

/** The field that tells the formats apart. */
const formats: Readonly<Record<string, (record: Fields) => Conversation>> = {
  messages: readChat,
  conversations: readLlava,
  caption: readCaption,
};

/** Opens a file of samples; reads it once, for where they begin. */
export async function openDataset(path: string, { pictures = dirname(path) }: DatasetOptions = {}): Promise<Dataset> {
  const root = resolve(pictures);
  const records = await openRecords(path);
  if (records.count === 0) {
    await records.close();
    throw new QuintetError('data', 'holds no samples', { at: path });
  }
  return {
    path,
    count: records.count,
    async read(index) {
      const where = `${path}:${records.lineOf(index)}`;
      const text = await records.read(index);
      return asDataError(() => readSample(fields(parseJson(text, where), where), index, root));
    },
    close: records.close,
  };
}

function readSample(record: Fields, index: number, root: string): Sample {
  const field = Object.keys(formats).find((name) => record.has(name));
  const read = field === undefined ? undefined : formats[field];
  if (!read) throw dataError(record.at, `expected one of the fields ${Object.keys(formats).join(', ')}`);
  const { messages, pictures } = read(record);
  return {
    id: idOf(record) ?? String(index),
    messages,
    pictures: pictures.map((picture) => picturePath(picture, root, record.at)),
    where: record.at,
  };
}

/** Whatever is wrong with a record is a mistake in the data, not in a configuration. */
function asDataError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof QuintetError) || error.code === 'limit') throw error;
    throw new QuintetError('data', error.message, { cause: error });
  }
}
