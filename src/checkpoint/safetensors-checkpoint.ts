/** A safetensors file, or several that an index names, as one checkpoint. */

import { arrayOfBytes, closeAll, closeOnFailure, QuintetError } from '../tensor/index.js';
import { type Checkpoint, type StoredTensor, tensorNamed } from './checkpoint.js';
import { parseSafetensorsHeader, type SafetensorsEntry, safetensorsHeaderLength } from './safetensors.js';
import { checkShards, type ShardIndex } from './shard-index.js';
import { type ByteSource, sample } from './source.js';

interface Place {
  readonly source: ByteSource;
  readonly entry: SafetensorsEntry;
}

/** Opens a safetensors file: its header is read and checked, its tensors are not. Closing it closes the source. */
export async function openSafetensors(source: ByteSource): Promise<Checkpoint> {
  const { entries, metadata } = await closeOnFailure([source], () => readHeader(source));
  return checkpointOf(new Map(entries.map((entry) => [entry.name, { source, entry }])), metadata, [source]);
}

/**
 * Opens the shards that an index names. Everything that is wrong with any of them is told in one error: shards that are
 * missing or malformed, tensors that are missing, stand in another shard than the index says, or in two.
 */
export async function openShards(
  index: ShardIndex,
  openShard: (shard: string) => Promise<ByteSource>,
): Promise<Checkpoint> {
  const sources: ByteSource[] = [];
  const problems: string[] = [];
  return closeOnFailure(sources, async () => {
    const found = new Map<string, readonly SafetensorsEntry[]>();
    const places = new Map<string, Place>();
    const metadata = new Map<string, string>();
    for (const shard of index.shards) {
      try {
        const source = await openShard(shard);
        sources.push(source);
        const header = await readHeader(source);
        found.set(shard, header.entries);
        for (const entry of header.entries) places.set(entry.name, { source, entry });
        for (const [key, value] of header.metadata) metadata.set(key, value);
      } catch (error) {
        if (!(error instanceof QuintetError)) throw error;
        problems.push(error.message);
      }
    }
    checkShards(index, found, problems);
    return checkpointOf(places, metadata, sources);
  });
}

async function readHeader(source: ByteSource) {
  const length = safetensorsHeaderLength(await source.read(0, Math.min(8, source.size)), source.size, source.at);
  return parseSafetensorsHeader(await source.read(0, 8 + length), source.size, source.at);
}

function checkpointOf(
  places: ReadonlyMap<string, Place>,
  metadata: ReadonlyMap<string, string>,
  sources: readonly ByteSource[],
): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { source, entry }] of places) {
    const { dtype, shape, offset, length } = entry;
    tensors.set(name, { name, dtype, shape, source: source.range(offset, length) });
  }
  const placeOf = (name: string): Place => tensorNamed(places, name, sources[0]?.at ?? 'checkpoint');
  const readStored = (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const { source, entry } = placeOf(name);
    return source.read(entry.offset, entry.length);
  };
  return {
    tensors,
    metadata,
    files: sources.flatMap(({ file }) => file ?? []),
    readStored,
    sample: async (name) => sample(placeOf(name).source, placeOf(name).entry),
    read: async (name) => {
      const bytes = await readStored(name);
      const { dtype, shape } = (places.get(name) as Place).entry;
      return arrayOfBytes(dtype, shape, bytes);
    },
    close: () => closeAll(...sources),
  };
}
