/** Files of conversations as samples, read one by one, whatever their format. */

import { dirname, resolve } from 'node:path';
import { type Fields, QuintetError } from '../tensor/index.js';
import { readInstruction } from './alpaca.js';
import { readCaption, readExchanges, readQuestion } from './captions.js';
import { readChat } from './chat.js';
import type { FormatName } from './formats/names.js';
import { openRecords } from './formats/open.js';
import { filesOf } from './formats/paths.js';
import type { Blocks, Sequence } from './formats/records.js';
import { placePicture } from './pictures.js';
import { readPair, readPrompt, readRated } from './preferences.js';
import { type Conversation, dataError, idOf, type Sample } from './sample.js';
import { readTurns } from './turns.js';

/** So many samples, of which some are better read one after another. */
export interface Extent {
  readonly count: number;
  readonly blocks?: Blocks;
}

/** A part of a mixture; samples are drawn by weights. */
export interface Part extends Extent {
  readonly weight: number;
}

export interface Dataset extends Extent, Sequence<Sample> {
  readonly path: string;
  /** Of a mixture: what it is made of, one after another. */
  readonly parts?: readonly Part[];
  /** Throws 'data', 'limit' or 'io' with the file, the line and the field where a sample is not well formed. */
  read(index: number): Promise<Sample>;
}

export interface DatasetOptions {
  /** The folder that pictures are relative to, and lie in; default the folder of the file. */
  readonly pictures?: string;
  /** Default: recognised by what is in the file. */
  readonly format?: FormatName;
}

/** The fields that tell the forms of records apart, the first that a record has. */
const forms: Readonly<Record<string, (record: Fields) => Conversation>> = {
  chosen: readPair,
  completion: readRated,
  messages: readChat,
  conversations: readTurns,
  texts: readExchanges,
  // Before `text`, in which Alpaca has the whole of it once more.
  instruction: readInstruction,
  question: readQuestion,
  caption: readCaption,
  text: readCaption,
  prompt: readPrompt,
};

/**
 * Opens samples: a file (JSONL, a JSON array, CSV, a WebDataset archive, Parquet), shards such as `train-{000..127}.tar` or
 * `train-*.parquet`, or a folder of pictures with metadata. Files are read once, for where samples begin.
 */
export async function openDataset(path: string, { pictures, format }: DatasetOptions = {}): Promise<Dataset> {
  const files = await filesOf(path);
  const root = resolve(pictures ?? dirname(files[0] as string));
  const records = await openRecords(files, format);
  if (records.count === 0) {
    await records.close();
    throw new QuintetError('data', 'holds no samples', { at: path });
  }
  const { count, blocks, where, lengths, someLengths, close } = records;
  return {
    ...{ path, count, where, lengths, close },
    ...(blocks ? { blocks } : {}),
    ...(someLengths ? { someLengths } : {}),
    async read(index) {
      try {
        return readSample(await records.read(index), index, root);
      } catch (error) {
        throw asDataError(error);
      }
    },
  };
}

function readSample(record: Fields, index: number, root: string): Sample {
  const field = Object.keys(forms).find((name) => record.has(name));
  const read = field === undefined ? undefined : forms[field];
  if (!read) throw dataError(record.at, `expected one of the fields ${Object.keys(forms).join(', ')}`);
  const { pictures, ...said } = read(record);
  return {
    id: idOf(record) ?? String(index),
    ...said,
    pictures: pictures.map((picture) => placePicture(picture, root, record.at)),
    where: record.at,
  };
}

/** Whatever is wrong with a record is a mistake in the data, not in a configuration. */
function asDataError(error: unknown): unknown {
  const own = error instanceof QuintetError && !['limit', 'io', 'aborted'].includes(error.code);
  return own ? new QuintetError('data', error.message, { cause: error }) : error;
}
