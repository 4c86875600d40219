/**
 * A GGUF file, or the parts that one was split into, as a checkpoint: Hugging Face's tensor names where its architecture is
 * known, its own otherwise.
 */

import { arrayOfBytes, closeAll, closeOnFailure, type HostArray, QuintetError } from '../tensor/index.js';
import { type Checkpoint, type JsonObject, type StoredTensor, tensorNamed } from './checkpoint.js';
import { type GgufEntry, type GgufHeader, parseGgufHeader } from './gguf.js';
import { dequantise } from './gguf-blocks.js';
import { ggufConfig, interleavedHeads, llamaTensorName, ropeFactors, separateHalves } from './gguf-llama.js';
import { isQuantised } from './gguf-types.js';
import { quoted } from './json-scanner.js';
import { type ByteSource, sample } from './source.js';

export interface GgufCheckpoint extends Checkpoint {
  /** What config.json would say; undefined where the architecture is not known here. */
  readonly config: JsonObject | undefined;
}

/** A file whose header was read. */
interface Part {
  readonly source: ByteSource;
  readonly header: GgufHeader;
}

interface Place {
  readonly source: ByteSource;
  readonly entry: GgufEntry;
  /** More than 0 where rows must be put in Hugging Face's order, head by head. */
  readonly heads: number;
}

/**
 * Opens a GGUF file, or all parts of one in their order: headers are read and checked, tensors are not. Closing it closes
 * the sources. What is known of the model is in the header of the first part, as llama.cpp's gguf-split writes them.
 */
export async function openGguf(...sources: readonly ByteSource[]): Promise<GgufCheckpoint> {
  return closeOnFailure(sources, async () => {
    const parts: Part[] = [];
    for (const source of sources) parts.push({ source, header: await readHeader(source) });
    checkParts(parts);
    const [{ header, source }] = parts as [Part];
    const places = parts.flatMap((part) => part.header.entries.map((entry) => ({ source: part.source, entry })));
    const factors = new Map<string, Float32Array>();
    for (const place of places.filter(({ entry }) => holdsRopeFactors(entry))) {
      const { data } = await readEntry({ ...place, heads: 0 });
      if (data instanceof Float32Array) factors.set(place.entry.name, data);
    }
    const whole = { ...header, entries: places.map(({ entry }) => entry) };
    return checkpointOf(parts, places, ggufConfig(whole, factors, source.at));
  });
}

const holdsRopeFactors = ({ name }: GgufEntry): boolean => ropeFactors.some((known) => known === name);

/** Holds the headers of most models at once, vocabularies of a hundred thousand words among them. */
const firstWindow = 2 ** 23;

/** The header's length is not written anywhere: a window at the file's start grows until it holds it. */
async function readHeader(source: ByteSource): Promise<GgufHeader> {
  for (let window = firstWindow; ; window *= 4) {
    const length = Math.min(window, source.size);
    const header = parseGgufHeader(await source.read(0, length), source.size, source.at);
    if (header !== undefined) return header;
  }
}

/** Refuses a part without the others, and parts of several files or in another order. */
function checkParts(parts: readonly Part[]): void {
  for (const [index, { source, header }] of parts.entries()) {
    const count = header.metadata.get('split.count') ?? 1;
    const number = header.metadata.get('split.no') ?? 0;
    if (count === parts.length && number === index) continue;
    const found = `part ${Number(number) + 1} of ${count} of a GGUF model, where ${parts.length} are given`;
    throw new QuintetError('unsupported', found, {
      at: source.at,
      hint: 'All parts lie in one folder and are called NAME-00001-of-00003.gguf and so on: name the first one.',
    });
  }
}

type StoredEntry = Pick<Place, 'source' | 'entry'>;

function checkpointOf(
  parts: readonly Part[],
  stored: readonly StoredEntry[],
  config: JsonObject | undefined,
): GgufCheckpoint {
  const [{ header, source }] = parts as [Part];
  const places = new Map<string, Place>();
  const tensors = new Map<string, StoredTensor>();
  for (const { source, entry } of stored) {
    if (config !== undefined && holdsRopeFactors(entry)) continue;
    const name = config === undefined ? entry.name : llamaTensorName(entry.name, config);
    if (places.has(name)) throw new QuintetError('format', `two tensors are ${quoted(name)}`, { at: source.at });
    const heads = config === undefined ? 0 : interleavedHeads(entry.name, config);
    const rows = entry.shape[0] ?? 1;
    if (heads > 0 && rows % (2 * heads) !== 0) {
      const message = `tensor ${quoted(entry.name)}: ${rows} rows are not ${heads} heads of an even width`;
      throw new QuintetError('format', message, { at: source.at });
    }
    const place = { source, entry, heads };
    places.set(name, place);
    tensors.set(name, storedTensor(name, place));
  }
  return {
    tensors,
    metadata: header.metadata,
    files: parts.flatMap((part) => part.source.file ?? []),
    config,
    read: (name) => readEntry(tensorNamed(places, name, source.at)),
    readStored: (name) => readStored(tensorNamed(places, name, source.at)),
    sample: async (name) => {
      const { source: file, entry } = tensorNamed(places, name, source.at);
      return sample(file, entry);
    },
    close: () => closeAll(...parts.map((part) => part.source)),
  };
}

function storedTensor(name: string, { source, entry, heads }: Place): StoredTensor {
  const { type: dtype, shape, offset, length } = entry;
  if (heads === 0) return { name, dtype, shape, source: source.range(offset, length) };
  return {
    name,
    dtype,
    shape,
    // No range of the file holds these rows in order, so they are put in order for whoever asks, who alone has them.
    get source() {
      return { bytes: separateHalves(source.readNow(offset, length), shape[0] ?? 1, heads), givenAway: true };
    },
  };
}

async function readEntry(place: Place): Promise<HostArray> {
  const { type, shape } = place.entry;
  const bytes = await readStored(place);
  if (isQuantised(type)) return { dtype: 'f32', shape, data: dequantise(type, bytes) };
  return arrayOfBytes(type, shape, bytes);
}

async function readStored({ source, entry, heads }: Place): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await source.read(entry.offset, entry.length);
  return heads === 0 ? stored : separateHalves(stored, entry.shape[0] ?? 1, heads);
}
