/** A GGUF file as a checkpoint: Hugging Face's tensor names where its architecture is known, its own otherwise. */

import { arrayOfBytes, type HostArray, QuintetError } from '../tensor/index.js';
import { type Checkpoint, type JsonObject, type StoredTensor, tensorNamed } from './checkpoint.js';
import { type GgufEntry, type GgufHeader, parseGgufHeader } from './gguf.js';
import { dequantise } from './gguf-blocks.js';
import { ggufConfig, interleavedHeads, llamaTensorName, ropeFactors, separateHalves } from './gguf-llama.js';
import { isQuantised } from './gguf-types.js';
import { quoted } from './json-scanner.js';
import { type ByteSource, closeOnFailure } from './source.js';

export interface GgufCheckpoint extends Checkpoint {
  /** What config.json would say; undefined where the architecture is not known here. */
  readonly config: JsonObject | undefined;
}

interface Place {
  readonly entry: GgufEntry;
  /** More than 0 where rows must be put in Hugging Face's order, head by head. */
  readonly heads: number;
}

/** Opens a GGUF file: its header is read and checked, its tensors are not. Closing it closes the source. */
export async function openGguf(source: ByteSource): Promise<GgufCheckpoint> {
  return closeOnFailure([source], async () => {
    const header = await readHeader(source);
    refuseParts(header, source.at);
    const factors = new Map<string, Float32Array>();
    for (const entry of header.entries.filter(holdsRopeFactors)) {
      const { data } = await readEntry(source, { entry, heads: 0 });
      if (data instanceof Float32Array) factors.set(entry.name, data);
    }
    return checkpointOf(source, header, ggufConfig(header, factors, source.at));
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

function refuseParts({ metadata }: GgufHeader, at: string): void {
  const parts = metadata.get('split.count');
  if (typeof parts === 'number' && parts > 1) {
    throw new QuintetError('unsupported', `one of ${parts} parts of a GGUF model`, {
      at,
      hint: 'Join them with llama-gguf-split --merge.',
    });
  }
}

function checkpointOf(source: ByteSource, header: GgufHeader, config: JsonObject | undefined): GgufCheckpoint {
  const places = new Map<string, Place>();
  const tensors = new Map<string, StoredTensor>();
  for (const entry of header.entries) {
    if (config !== undefined && holdsRopeFactors(entry)) continue;
    const name = config === undefined ? entry.name : llamaTensorName(entry.name, config);
    if (places.has(name)) throw new QuintetError('format', `two tensors are ${quoted(name)}`, { at: source.at });
    const heads = config === undefined ? 0 : interleavedHeads(entry.name, config);
    const rows = entry.shape[0] ?? 1;
    if (heads > 0 && rows % (2 * heads) !== 0) {
      const message = `tensor ${quoted(entry.name)}: ${rows} rows are not ${heads} heads of an even width`;
      throw new QuintetError('format', message, { at: source.at });
    }
    const place = { entry, heads };
    places.set(name, place);
    tensors.set(name, storedTensor(source, name, place));
  }
  return {
    tensors,
    metadata: header.metadata,
    files: source.file === undefined ? [] : [source.file],
    config,
    read: (name) => readEntry(source, tensorNamed(places, name, source.at)),
    readStored: (name) => readStored(source, tensorNamed(places, name, source.at)),
    close: () => source.close(),
  };
}

function storedTensor(source: ByteSource, name: string, { entry, heads }: Place): StoredTensor {
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

async function readEntry(source: ByteSource, place: Place): Promise<HostArray> {
  const { type, shape } = place.entry;
  const bytes = await readStored(source, place);
  if (isQuantised(type)) return { dtype: 'f32', shape, data: dequantise(type, bytes) };
  return arrayOfBytes(type, shape, bytes);
}

async function readStored(source: ByteSource, { entry, heads }: Place): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await source.read(entry.offset, entry.length);
  return heads === 0 ? stored : separateHalves(stored, entry.shape[0] ?? 1, heads);
}
