/**
 * WebDataset (https://github.com/webdataset/webdataset): a tar archive, in which the files of a sample stand together and are
 * called alike up to the first dot of their name. What follows it says what they are:
 *
 *     000017.jpg   000017.txt       a picture and its caption (also .caption, .text)
 *     000018.jpg   000018.json      a picture and a record, of any form that lines of JSON may have
 *     000019.0.png 000019.1.png …   several pictures
 */
import type { FileHandle } from 'node:fs/promises';
import { pictureLimits } from '../../media/index.js';
import { type Fields, fields, parseJson, QuintetError } from '../../tensor/index.js';
import { isDataUrl, pictureFields, readPictures } from '../pictures.js';
import { dataError } from '../sample.js';
import { largestRecord } from './extents.js';
import { openFor, readBytes, textOf } from './file.js';
import type { Records } from './records.js';
import { tarMembers } from './tar-index.js';

const pictureField = /^(?:\d+\.)?(?:jpe?g|png|webp|gif)$/;
const textFields = ['txt', 'caption', 'text'];
const used = (field: string) => pictureField.test(field) || textFields.includes(field) || field === 'json';

/** The samples of an archive: their keys, and of their members what they are, where they begin and how long they are. */
interface TarIndex {
  readonly keys: string[];
  /** Of each sample the number of its first member. */
  readonly first: number[];
  readonly fields: string[];
  readonly offsets: number[];
  readonly sizes: number[];
}

export function openTar(path: string): Promise<Records> {
  return openFor(path, async (file) => {
    const index = await indexOf(file, path);
    const { keys, first, fields: names, sizes } = index;
    const where = (sample: number) => `${path}:${keys[sample]}`;
    return {
      count: keys.length,
      where,
      read: (sample) => readSample(file, membersOf(index, sample), where(sample), keys[sample] as string),
      lengths: async () => {
        return keys.map((_, sample) => {
          let length = 0;
          for (let i = first[sample] as number; i < (first[sample + 1] ?? names.length); i++) {
            if (!pictureField.test(names[i] as string)) length += sizes[i] as number;
          }
          return length;
        });
      },
      close: () => file.close(),
    };
  });
}

async function indexOf(file: FileHandle, path: string): Promise<TarIndex> {
  const index: TarIndex = { keys: [], first: [], fields: [], offsets: [], sizes: [] };
  // Names of fields repeat: one text for all of a kind.
  const known = new Map<string, string>();
  for await (const { name, offset, size } of tarMembers(file, path)) {
    const base = name.slice(name.lastIndexOf('/') + 1);
    const dot = base.indexOf('.');
    const field = base.slice(dot + 1).toLowerCase();
    // Names that begin with a dot are what other systems note beside files.
    if (dot <= 0 || !used(field)) continue;
    const key = name.slice(0, name.length - base.length + dot);
    if (key !== index.keys.at(-1)) {
      index.keys.push(key);
      index.first.push(index.fields.length);
    }
    if (!known.has(field)) known.set(field, field);
    index.fields.push(known.get(field) as string);
    index.offsets.push(offset);
    index.sizes.push(size);
  }
  return index;
}

interface Member {
  readonly field: string;
  readonly offset: number;
  readonly size: number;
}

function membersOf({ first, fields, offsets, sizes }: TarIndex, sample: number): Member[] {
  const members: Member[] = [];
  for (let i = first[sample] as number; i < (first[sample + 1] ?? fields.length); i++) {
    members.push({ field: fields[i] as string, offset: offsets[i] as number, size: sizes[i] as number });
  }
  return members;
}

async function readSample(file: FileHandle, members: readonly Member[], at: string, key: string): Promise<Fields> {
  const known = new Set<string>();
  const twice = members.find(({ field }) => known.size === known.add(field).size);
  if (twice) throw dataError(at, `two members .${twice.field}`);
  const read = ({ field, offset, size }: Member, most: number) => {
    if (size > most) throw new QuintetError('limit', `.${field} has ${size} bytes; at most ${most} are read`, { at });
    return readBytes(file, offset, offset + size, at);
  };
  const images: Uint8Array[] = [];
  let record: Record<string, unknown> | undefined;
  let caption: string | undefined;
  for (const member of members) {
    if (pictureField.test(member.field)) images.push(await read(member, pictureLimits.bytes));
    else {
      const text = textOf(await read(member, largestRecord), at);
      if (member.field === 'json') record = { ...fields(parseJson(text, at), at).raw };
      else if (caption === undefined) caption = text;
      else throw dataError(at, `two texts, .${member.field} being the second`);
    }
  }
  const lacking = lackOf(images, caption, record && fields(record, at));
  if (lacking) throw dataError(at, lacking, 'Members of one sample stand together, with one name up to its first dot');
  // What a record calls its pictures is of no use within an archive: they are the members.
  if (record && images.length > 0) for (const name of pictureFields) delete record[name];
  return fields(
    {
      id: key,
      ...record,
      ...(caption === undefined ? {} : { caption: caption.trim() }),
      ...(images.length > 0 ? { images } : {}),
    },
    at,
  );
}

/** What a sample has not of what belongs to it. */
function lackOf(images: readonly Uint8Array[], caption: string | undefined, record: Fields | undefined) {
  if (images.length > 0) return record || caption !== undefined ? undefined : 'a picture without a text or a record';
  if (!record) return 'a text without a picture';
  const named = readPictures(record).find((picture) => typeof picture === 'string' && !isDataUrl(picture));
  return named === undefined ? undefined : `the picture "${named}" is not among the members of the sample`;
}
