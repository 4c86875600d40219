/**
 * Where PyTorch's files keep what: the pickle that describes the tensors, and the bytes of each storage. Since 1.6 they are
 * ZIP archives whose members are stored as they are; before, pickles and storages stood one behind the other.
 *
 * torch/serialization.py of https://github.com/pytorch/pytorch
 */
import { QuintetError } from '../tensor/index.js';
import { type Pickled, type PickleReader, unpickle } from './pickle.js';
import type { ByteSource } from './source.js';

export interface TorchArchive {
  /** What the pickle of the tensors holds. */
  readonly value: Pickled;
  /** Where the bytes of a storage lie, by its key. */
  readonly storages: ReadonlyMap<string, Extent>;
}

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** The largest pickle that is read: it holds names and shapes alone. */
const largestPickle = 2 ** 26;

/** Fails with 'format', 'limit' or 'unsupported'. */
export async function readTorchArchive(source: ByteSource, reader: PickleReader): Promise<TorchArchive> {
  const first = await source.read(0, Math.min(4, source.size));
  if (first[0] === 0x50 && first[1] === 0x4b) return readArchive(source, reader);
  if (first[0] === 0x80) return readSequence(source, reader);
  throw new QuintetError('format', 'neither an archive nor a pickle of PyTorch', { at: source.at });
}

async function readArchive(source: ByteSource, reader: PickleReader): Promise<TorchArchive> {
  const members = await membersOf(source);
  const pickle = [...members].find(([name]) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) throw new QuintetError('format', 'the archive has no data.pkl', { at: source.at });
  const [name, { offset, length }] = pickle;
  if (length > largestPickle) throw new QuintetError('limit', `a pickle of ${length} bytes`, { at: source.at });
  const folder = `${name.slice(0, -'data.pkl'.length)}data/`;
  const storages = [...members].flatMap(([member, extent]): [string, Extent][] =>
    member.startsWith(folder) ? [[member.slice(folder.length), extent]] : [],
  );
  const { value } = unpickle(await source.read(offset, length), 0, source.at, reader);
  return { value, storages: new Map(storages) };
}

const endOfDirectory = { signature: 0x06054b50, length: 22, comment: 2 ** 16 };
const largeEnd = { signature: 0x06064b50, locator: 0x07064b50, locatorLength: 20, length: 56 };
const entry = { signature: 0x02014b50, length: 46 };
const local = { signature: 0x04034b50, length: 30 };
const mostMembers = 2 ** 17;
const largestDirectory = 2 ** 25;

/** The members of a ZIP archive and where their bytes are: PKWARE's APPNOTE, sections 4.3.7 to 4.3.16, with ZIP64. */
async function membersOf(source: ByteSource): Promise<Map<string, Extent>> {
  const wrong = (what: string) => new QuintetError('format', what, { at: source.at });
  const { offset, length, count } = await directoryOf(source, wrong);
  if (length > largestDirectory || count > mostMembers) {
    throw new QuintetError('limit', `an archive of ${count} members`, { at: source.at });
  }
  const bytes = await source.read(offset, length);
  const view = new DataView(bytes.buffer);
  const members = new Map<string, Extent>();
  for (let at = 0, i = 0; i < count; i++) {
    if (at + entry.length > length || view.getUint32(at, true) !== entry.signature) throw wrong('a damaged directory');
    const [names, extras, comments] = [28, 30, 32].map((place) => view.getUint16(at + place, true)) as [
      number,
      number,
      number,
    ];
    const next = at + entry.length + names + extras + comments;
    if (next > length) throw wrong('a damaged directory');
    const name = new TextDecoder().decode(bytes.subarray(at + entry.length, at + entry.length + names));
    if (view.getUint16(at + 10, true) !== 0) throw wrong(`the member ${name} is compressed, which PyTorch's never are`);
    const extra = new DataView(bytes.buffer, at + entry.length + names, extras);
    const [size, , header] = wideNumbers(
      [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
      extra,
    );
    members.set(name, { offset: await dataOffset(source, header as number, wrong), length: size as number });
    at = next;
  }
  return members;
}

type Wrong = (what: string) => QuintetError;

/** Where a member's bytes begin, behind its local header. */
async function dataOffset(source: ByteSource, header: number, wrong: Wrong): Promise<number> {
  if (header + local.length > source.size) throw wrong('a member lies outside the archive');
  const view = new DataView((await source.read(header, local.length)).buffer);
  if (view.getUint32(0, true) !== local.signature) throw wrong('a damaged member');
  return header + local.length + view.getUint16(26, true) + view.getUint16(28, true);
}

/** Sizes and places, of which those that do not fit 32 bits stand in the extra field 1, in the order of the header. */
function wideNumbers(numbers: readonly number[], extra: DataView): number[] {
  let at = 0;
  while (at + 4 <= extra.byteLength && extra.getUint16(at, true) !== 1) at += 4 + extra.getUint16(at + 2, true);
  at += 4;
  return numbers.map((number) => {
    if (number !== 0xffffffff || at + 8 > extra.byteLength) return number;
    const wide = Number(extra.getBigUint64(at, true));
    at += 8;
    return wide;
  });
}

async function directoryOf(source: ByteSource, wrong: Wrong): Promise<Extent & { readonly count: number }> {
  const length = Math.min(source.size, endOfDirectory.length + endOfDirectory.comment + largeEnd.locatorLength);
  const start = source.size - length;
  const view = new DataView((await source.read(start, length)).buffer);
  for (let at = length - endOfDirectory.length; at >= 0; at--) {
    if (view.getUint32(at, true) !== endOfDirectory.signature) continue;
    const locator = at - largeEnd.locatorLength;
    if (locator >= 0 && view.getUint32(locator, true) === largeEnd.locator) {
      return largeDirectory(source, Number(view.getBigUint64(locator + 8, true)), wrong);
    }
    const extent = { length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
    return { ...extent, count: view.getUint16(at + 10, true) };
  }
  throw wrong('an archive that does not end');
}

async function largeDirectory(source: ByteSource, at: number, wrong: Wrong) {
  if (at + largeEnd.length > source.size) throw wrong('a damaged end of the archive');
  const view = new DataView((await source.read(at, largeEnd.length)).buffer);
  if (view.getUint32(0, true) !== largeEnd.signature) throw wrong('a damaged end of the archive');
  const [count, length, offset] = [32, 40, 48].map((place) => Number(view.getBigUint64(place, true)));
  return { count, length, offset } as { count: number; length: number; offset: number };
}

/** The number that every file of the old form begins with, and the form's own. */
const magic = 0x1950a86a20f9469cfc6cn;
const sequenceForm = 1001;

/** The old form: a number, the form's version, the system, the tensors, the keys of the storages; then each storage. */
async function readSequence(source: ByteSource, reader: PickleReader): Promise<TorchArchive> {
  const { at } = source;
  const bytes = await source.read(0, Math.min(source.size, largestPickle));
  let position = 0;
  const sizes = new Map<string, number>();
  const next = (): Pickled => {
    const { value, end } = unpickle(bytes, position, at, {
      call: reader.call,
      persistent(id) {
        const storage = reader.persistent(id);
        const { key, length } = storage as { readonly key: string; readonly length: number };
        sizes.set(key, length);
        return storage;
      },
    });
    position = end;
    return value;
  };
  const [number, form] = [next(), next()];
  if (number !== magic || form !== sequenceForm)
    throw new QuintetError('format', 'a pickle, but none of PyTorch', { at });
  next();
  const value = next();
  const keys = next();
  if (!Array.isArray(keys)) throw new QuintetError('format', 'the storages are not named', { at });
  const storages = new Map<string, Extent>();
  for (const key of keys) {
    const length = typeof key === 'string' ? sizes.get(key) : undefined;
    if (length === undefined) throw new QuintetError('format', 'a storage that no tensor has', { at });
    storages.set(key as string, { offset: position + 8, length });
    position += 8 + length;
  }
  return { value, storages };
}
