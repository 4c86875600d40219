/** Where a network's parameters come from: a checkpoint under the network's names or others, or a seeded start. */

import type { Checkpoint, ModelFiles, StoredTensor } from '../checkpoint/index.js';
import { type Declaration, matches } from '../nn/index.js';
import type { Binding } from '../onnx/index.js';
import { networkOf } from '../recipes/index.js';
import {
  declarationsOf,
  headOf,
  isSystem,
  type Network,
  type Renames,
  rename,
  tiedTable,
  untied,
} from '../system/index.js';
import {
  bytesOf,
  castArray,
  type DType,
  dtypes,
  fields,
  formatShape,
  type HostArray,
  QuintetError,
  Random,
  sameShape,
  seedFor,
} from '../tensor/index.js';

export interface Weights {
  /** What to call the weights in messages. */
  readonly at: string;
  /** A parameter's name in the file. */
  fileName(name: string): string;
  /** Whether there is a value for a parameter. */
  has(name: string): boolean;
  /** How a parameter is bound to an engine's session: mapped from its file where that is possible. */
  bind(declaration: Declaration): Promise<Binding>;
  /** A parameter's value, in f32. */
  read(declaration: Declaration): Promise<HostArray>;
  /** A parameter as its file holds it; undefined where its value is from elsewhere. */
  stored(declaration: Declaration): StoredWeight | undefined;
  /** The files that hold the weights; none where they lie in memory. */
  readonly files: readonly string[];
  close(): Promise<void>;
}

export interface StoredWeight {
  readonly dtype: StoredTensor['dtype'];
  readBytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** Some windows of those bytes. */
  sample(): Promise<readonly Uint8Array[]>;
}

type Declarations = ReadonlyMap<string, Declaration>;

/**
 * The network that some files hold, and what it declares: where the checkpoint has a head for words that is not the table of embeddings,
 * though the configuration says so, the head is the network's own, as in transformers.
 */
export async function networkIn({ config, checkpoint }: Pick<ModelFiles, 'config' | 'checkpoint'>): Promise<{
  readonly network: Network;
  readonly declarations: Declarations;
}> {
  const network = networkOf(fields(config, 'config.json'), checkpoint.tensors.keys());
  const declarations = declarationsOf(network);
  const { fileName, tied } = fileNames(network, declarations, checkpoint);
  const [table, head] = tied?.map((name) => checkpoint.tensors.get(fileName(name))) ?? [];
  if (!isSystem(network) || !table || !head || (await isSame(table, head, checkpoint)))
    return { network, declarations };
  const own = untied(network);
  return { network: own, declarations: declarationsOf(own) };
}

async function isSame(one: StoredTensor, other: StoredTensor, checkpoint: Checkpoint): Promise<boolean> {
  if (one.dtype !== other.dtype || !sameShape(one.shape, other.shape)) return false;
  const [here, there] = [one.source, other.source];
  // PyTorch's own files have two names for one place.
  if ('file' in here && 'file' in there && here.file === there.file && here.offset === there.offset) return true;
  // A head that was learnt apart differs everywhere.
  const [some, likewise] = [await checkpoint.sample(one.name), await checkpoint.sample(other.name)];
  if (!some.every((window, i) => areEqual(window, likewise[i]))) return false;
  const [bytes, others] = [await checkpoint.readStored(one.name), await checkpoint.readStored(other.name)];
  return areEqual(bytes, others);
}

function areEqual(bytes: Uint8Array, others: Uint8Array | undefined): boolean {
  // No callback: tables of words are hundreds of megabytes.
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== others?.[i]) return false;
  return true;
}

/**
 * The weights of a network in a checkpoint. Strict: one error lists every missing, unexpected and misshapen tensor. Tensors
 * that the network knows to be no parameters are passed over.
 */
export function checkpointWeights(
  network: Network,
  declarations: Declarations,
  checkpoint: Checkpoint,
  at: string,
): Weights {
  const names = fileNames(network, declarations, checkpoint);
  const { fileName } = names;
  checkNames(network, declarations, checkpoint, { at, ...names });
  const stored = (name: string): StoredTensor => checkpoint.tensors.get(fileName(name)) as StoredTensor;
  const read = async (name: string): Promise<HostArray> => castArray(await checkpoint.read(fileName(name)), 'f32');
  return whileOpen({
    at,
    fileName,
    has: (name) => checkpoint.tensors.has(fileName(name)),
    read: ({ name }) => read(name),
    stored: ({ name }) => ({
      dtype: stored(name).dtype,
      readBytes: () => checkpoint.readStored(fileName(name)),
      sample: () => checkpoint.sample(fileName(name)),
    }),
    files: checkpoint.files,
    async bind({ name }) {
      const { dtype, source } = stored(name);
      if (Object.hasOwn(dtypes, dtype)) return { dtype: dtype as DType, source };
      // Blocks of integers that the engine cannot read as they are: expanded for this session, which keeps them.
      return { dtype: 'f32', source: { bytes: bytesOf(await read(name)), givenAway: true } };
    },
    close: () => checkpoint.close(),
  });
}

/** Weights that are not to be had any more once they were closed. */
function whileOpen(weights: Weights): Weights {
  let isOpen = true;
  const opened = (): Weights => {
    if (isOpen) return weights;
    throw new QuintetError('engine', 'the model is closed', { at: weights.at, hint: 'load it again' });
  };
  return {
    ...weights,
    bind: async (declaration) => opened().bind(declaration),
    read: async (declaration) => opened().read(declaration),
    stored: (declaration) => opened().stored(declaration),
    close() {
      isOpen = false;
      return weights.close();
    },
  };
}

/** Of our own names and the network's renames, those under which most parameters are found. */
function fittingRenames(network: Network, declarations: Declarations, { tensors }: Checkpoint): Renames {
  let best: Renames = [];
  let bestFound = -1;
  for (const renames of [[], ...(network.renames ?? [])]) {
    const found = [...declarations.keys()].filter((name) => tensors.has(rename(name, renames))).length;
    if (found > bestFound) [best, bestFound] = [renames, found];
  }
  return best;
}

interface FileNames {
  readonly fileName: (name: string) => string;
  /** The table that is the head too, and the head, where the file has it beside the table or in its place. */
  readonly tied?: readonly [table: string, head: string];
}

function fileNames(network: Network, declarations: Declarations, checkpoint: Checkpoint): FileNames {
  const { tensors } = checkpoint;
  const renames = fittingRenames(network, declarations, checkpoint);
  const fileName = (name: string): string => rename(name, renames);
  const head = `${headOf(network)}.weight`;
  const tied = !declarations.has(head) && tensors.has(fileName(head)) ? tiedTable(network) : undefined;
  if (tied === undefined) return { fileName };
  const table = `${tied}.weight`;
  const alone = !tensors.has(fileName(table));
  return { fileName: (name) => fileName(alone && name === table ? head : name), tied: [table, head] };
}

function checkNames(
  network: Network,
  declarations: Declarations,
  { tensors }: Checkpoint,
  { at, fileName, tied }: FileNames & { readonly at: string },
): void {
  const expected = new Map([...declarations.values()].map((declaration) => [fileName(declaration.name), declaration]));
  const problems: string[] = [];
  for (const [name, { shape }] of expected) {
    const found = tensors.get(name);
    if (!found) problems.push(`missing: ${name} ${formatShape(shape)}`);
    else if (!sameShape(found.shape, shape)) {
      problems.push(
        `misshapen: ${name} is ${formatShape(found.shape)} in the file, ${formatShape(shape)} in the model`,
      );
    }
  }
  const buffers = network.buffers ?? [];
  const ignored = [...buffers, ...buffers.map(fileName), ...(tied?.map(fileName) ?? [])];
  for (const [name, { shape, dtype }] of tensors) {
    if (!expected.has(name) && !matches(name, ignored)) {
      problems.push(`unexpected: ${name} ${dtype} ${formatShape(shape)}`);
    }
  }
  if (problems.length === 0) return;
  throw new QuintetError('weights', `the file does not fit ${network.name}:\n  ${problems.join('\n  ')}`, {
    at,
    hint: 'check that config.json belongs to these weights',
  });
}

/** Freshly initialised parameters: the same for the same seed, whatever order they are asked for in. */
export function initialWeights(seed: number, renames: Renames = []): Weights {
  const values = new Map<string, HostArray>();
  const made = ({ name, shape, init }: Declaration): HostArray => ({
    ...{ dtype: 'f32', shape },
    data: init(shape, new Random(seedFor(seed, 'init', name))),
  });
  const kept = (declaration: Declaration): HostArray => {
    const array = values.get(declaration.name) ?? made(declaration);
    values.set(declaration.name, array);
    return array;
  };
  return whileOpen({
    at: `seed ${seed}`,
    fileName: (name) => rename(name, renames),
    has: () => true,
    // What learns is read once and lives elsewhere from then on.
    read: async (declaration) => values.get(declaration.name) ?? made(declaration),
    stored: () => undefined,
    files: [],
    bind: async (declaration) => ({ dtype: 'f32', source: { bytes: bytesOf(kept(declaration)) } }),
    close: async () => values.clear(),
  });
}

/** Weights under which some parameters have other values; what neither has begins as its declaration says. */
export function layeredWeights(base: Weights, values: ReadonlyMap<string, HostArray>, seed = 0): Weights {
  const fresh = initialWeights(seed);
  const known = ({ name, shape }: Declaration): HostArray | undefined => {
    const value = values.get(name);
    if (value && !sameShape(value.shape, shape)) {
      throw new QuintetError('weights', `${name} is ${formatShape(value.shape)}, not ${formatShape(shape)}`, {
        at: base.at,
      });
    }
    return value;
  };
  const below = (declaration: Declaration): Weights => (base.has(declaration.name) ? base : fresh);
  return {
    ...base,
    has: () => true,
    read: async (declaration) => known(declaration) ?? below(declaration).read(declaration),
    stored: (declaration) => (known(declaration) ? undefined : below(declaration).stored(declaration)),
    async bind(declaration) {
      const value = known(declaration);
      if (!value) return below(declaration).bind(declaration);
      return { dtype: value.dtype, source: { bytes: bytesOf(value) } };
    },
  };
}
