/**
 * Writing safetensors: one file, or shards and their index as transformers lays them out. Bytes equal those of the
 * reference writer (`prepare` in safetensors/src/tensor.rs): wide dtypes first, then by name, the header padded to eight bytes.
 */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { byteSizeOf, bytesOf, type DType, type HostArray, QuintetError } from '../tensor/index.js';
import { makeFolder, writeAtomically, writeFully } from './file.js';
import { quoted } from './json-scanner.js';
import { largestHeader, safetensorsDtypes } from './safetensors.js';
import { digestPlace, noDigest, updateInTurns } from './safetensors-digest.js';

/** A tensor whose values are fetched only when their turn to be written comes. */
export interface LazyTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  read(): Promise<HostArray>;
}

type Tensor = HostArray | LazyTensor;

/** Tensors by name: a map, entries as they come, or a record such as sessions give. */
export type NamedTensors = Iterable<readonly [name: string, tensor: Tensor]> | Readonly<Record<string, Tensor>>;

export interface WriteOptions {
  /** Texts for `__metadata__`; by default `format: pt`, without which transformers refuses a file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether the metadata say the file's digest, too, by which `isAsWritten` tells damage. */
  readonly digest?: boolean;
}

/** Narrow to wide, in the reference's own order of dtypes, which breaks ties between equal widths. */
const order = Object.keys(safetensorsDtypes) as (keyof typeof safetensorsDtypes)[];
const codes = new Map<DType, (typeof order)[number]>(order.map((code) => [safetensorsDtypes[code], code]));
const rank = new Map<DType, number>(order.map((code, i) => [safetensorsDtypes[code], i]));

interface Planned {
  readonly name: string;
  readonly tensor: Tensor;
  readonly size: number;
}

/** Writes one file atomically, tensor by tensor; a lazy tensor is in memory only while it is written. */
export async function writeSafetensors(file: string, tensors: NamedTensors, options: WriteOptions = {}): Promise<void> {
  await writePlanned(file, plan(tensors, file), options);
}

async function writePlanned(
  file: string,
  planned: readonly Planned[],
  { metadata = { format: 'pt' }, digest = false }: WriteOptions,
): Promise<void> {
  const sorted = [...planned].sort(
    (a, b) => (rank.get(b.tensor.dtype) as number) - (rank.get(a.tensor.dtype) as number) || compare(a.name, b.name),
  );
  const header = headerOf(sorted, digest ? { sha256: noDigest, ...metadata } : metadata, file);
  await writeAtomically(file, async (handle) => {
    const hash = digest ? createHash('sha256').update(header) : undefined;
    await writeFully(handle, header);
    for (const item of sorted) {
      const bytes = await bytesToWrite(item, file);
      if (hash) await updateInTurns(hash, bytes);
      await writeFully(handle, bytes);
    }
    if (hash) await writeFully(handle, Buffer.from(hash.digest('hex')), digestPlace);
  });
}

/** Rust orders strings by their UTF-8 bytes, which is the order of their code points. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function plan(tensors: NamedTensors, at: string): Planned[] {
  const seen = new Set<string>(['__metadata__']);
  return Array.from(Symbol.iterator in tensors ? tensors : Object.entries(tensors), ([name, tensor]) => {
    if (seen.has(name)) throw new QuintetError('name', `two tensors would be named ${quoted(name)}`, { at });
    seen.add(name);
    return { name, tensor, size: byteSizeOf(tensor.dtype, tensor.shape) };
  });
}

function headerOf(sorted: readonly Planned[], metadata: Readonly<Record<string, string>>, at: string): Uint8Array {
  let offset = 0;
  const entries = sorted.map(({ name, tensor, size }) => {
    const entry = { dtype: codes.get(tensor.dtype), shape: tensor.shape, data_offsets: [offset, offset + size] };
    offset += size;
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  if (Object.keys(metadata).length > 0) entries.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  if (text.byteLength > largestHeader) {
    throw new QuintetError('limit', `a header of ${text.byteLength} bytes; readers take ${largestHeader}`, { at });
  }
  const padded = Math.ceil(text.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, 8);
  return bytes;
}

async function bytesToWrite({ name, tensor, size }: Planned, at: string): Promise<Uint8Array> {
  const bytes = bytesOf('read' in tensor ? await tensor.read() : tensor);
  if (bytes.byteLength !== size) {
    const expected = `${tensor.dtype} [${tensor.shape}], which takes ${size}`;
    throw new QuintetError('shape', `tensor ${quoted(name)} has ${bytes.byteLength} bytes for ${expected}`, { at });
  }
  return bytes;
}

export interface SaveOptions extends WriteOptions {
  /** A shard holds at most this many bytes of tensors, unless a single one is larger. Default 5 GB, as in transformers. */
  readonly maxShardBytes?: number;
  /** The files' name before their endings; default `model`. */
  readonly stem?: string;
}

/**
 * Saves tensors into a folder, made if need be: `model.safetensors`, or `model-00001-of-0000N.safetensors` with
 * `model.safetensors.index.json`. Weight files of an earlier save that are not part of this one are removed at the end.
 */
export async function saveCheckpoint(
  folder: string,
  tensors: NamedTensors,
  { maxShardBytes = 5e9, stem = 'model', ...options }: SaveOptions = {},
): Promise<void> {
  const shards = split(plan(tensors, folder), maxShardBytes);
  const count = String(shards.length).padStart(5, '0');
  const names = shards.map((_, i) =>
    shards.length === 1 ? `${stem}.safetensors` : `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`,
  );
  const index = `${stem}.safetensors.index.json`;
  await makeFolder(folder);
  // Under the index of an earlier save, shards of both would count as whole should this one not come to its end.
  if (shards.length > 1) await rm(join(folder, index), { force: true });
  for (const [i, shard] of shards.entries()) await writePlanned(join(folder, names[i] as string), shard, options);
  if (shards.length > 1) {
    await writeAtomically(join(folder, index), (handle) => handle.writeFile(indexText(shards, names)));
    names.push(index);
  }
  await removeStale(folder, stem, new Set(names));
}

/** The greedy split of huggingface_hub (`split_state_dict_into_shards_factory`), in the given order. */
function split(planned: readonly Planned[], maxShardBytes: number): Planned[][] {
  const shards: Planned[][] = [];
  let current: Planned[] = [];
  let filled = 0;
  for (const item of planned) {
    if (item.size > maxShardBytes) {
      shards.push([item]);
      continue;
    }
    if (filled + item.size > maxShardBytes) {
      shards.push(current);
      current = [];
      filled = 0;
    }
    current.push(item);
    filled += item.size;
  }
  if (current.length > 0 || shards.length === 0) shards.push(current);
  return shards;
}

function indexText(shards: readonly Planned[][], names: readonly string[]): string {
  const places = shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i] as string] as const));
  const total = shards.flat().reduce((sum, { size }) => sum + size, 0);
  const map = Object.fromEntries(places.sort(([a], [b]) => compare(a, b)));
  return `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`;
}

async function removeStale(folder: string, stem: string, kept: ReadonlySet<string>): Promise<void> {
  const escaped = stem.replace(/[^\w]/g, '\\$&');
  const ours = new RegExp(`^${escaped}(-\\d{5}-of-\\d{5})?\\.safetensors(\\.index\\.json)?$`);
  for (const name of await readdir(folder)) {
    if (ours.test(name) && !kept.has(name)) await rm(join(folder, name), { force: true });
  }
}
