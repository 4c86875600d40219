/**
 * The flat memory of a training run: values, gradients and moments of every trained parameter as regions of one
 * WebAssembly memory, so that the optimiser's kernel updates in place what the engine reads, without a copy.
 */
import { type HostArray, QuintetError, sizeOf } from '../tensor/index.js';
import { type Kernels, kernelsOver } from './kernels.js';

export interface TrainedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether weight decay applies to it. */
  readonly decay: boolean;
  /** What the learning rate is multiplied by for it; default 1. */
  readonly rate?: number;
}

/** One f32 number for each parameter, in the order and with the padding that all regions share. Padding stays zero. */
export interface Region {
  /** Where the region begins in the memory, in bytes. */
  readonly address: number;
  readonly data: Float32Array<ArrayBuffer>;
  /** The region's part for each tensor, in place. */
  readonly tensors: Readonly<Record<string, HostArray>>;
}

/** A stretch of every region that is updated with one decay and one rate. */
export interface Group {
  readonly decay: boolean;
  readonly rate: number;
  /** From the beginning of a region, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Arena {
  readonly values: Region;
  /** What the optimiser consumes: the sum over the micro-batches of a step. */
  readonly gradients: Region;
  /** Running mean of the gradients. */
  readonly first: Region;
  /** Running mean of their squares. */
  readonly second: Region;
  /** Where the gradients of a further micro-batch are written before they are added; only with `accumulation`. */
  readonly incoming?: Region;
  readonly groups: readonly Group[];
  /** The number of parameters, without padding. */
  readonly size: number;
  readonly kernels: Kernels;
}

/** A cache line, and more than any engine's vectors need. */
const alignment = 64;
const pageBytes = 2 ** 16;
/** 4 GiB: a WebAssembly memory with 32-bit addresses ends there. */
const largestMemory = 2 ** 32;

export interface ArenaOptions {
  /** Adds the region `incoming`, which gradient accumulation needs; default false. */
  readonly accumulation?: boolean;
}

/** An arena of zeros for the given tensors. Memory: 16 bytes a parameter, 20 with accumulation. */
export function createArena(tensors: readonly TrainedTensor[], { accumulation = false }: ArenaOptions = {}): Arena {
  const { placed, groups, bytes } = place(tensors);
  const names = ['values', 'gradients', 'first', 'second', ...(accumulation ? ['incoming'] : [])];
  const memory = allocate(bytes * names.length);
  const region = (name: string): Region => {
    const address = names.indexOf(name) * bytes;
    const part = ({ tensor, offset }: Placed): [string, HostArray] => {
      const data = new Float32Array(memory.buffer, address + offset, sizeOf(tensor.shape));
      return [tensor.name, { dtype: 'f32', shape: tensor.shape, data }];
    };
    return {
      address,
      data: new Float32Array(memory.buffer, address, bytes / 4),
      tensors: Object.fromEntries(placed.map(part)),
    };
  };
  return {
    values: region('values'),
    gradients: region('gradients'),
    first: region('first'),
    second: region('second'),
    ...(accumulation && { incoming: region('incoming') }),
    groups,
    size: tensors.reduce((size, { shape }) => size + sizeOf(shape), 0),
    kernels: kernelsOver(memory),
  };
}

interface Placed {
  readonly tensor: TrainedTensor;
  readonly offset: number;
}

/** Tensors of one group side by side, each at an aligned offset; within a group in the given order. */
function place(tensors: readonly TrainedTensor[]) {
  const placed: Placed[] = [];
  const groups: Group[] = [];
  let end = 0;
  for (const members of grouped(tensors)) {
    const offset = end;
    for (const tensor of members) {
      placed.push({ tensor, offset: end });
      end += Math.ceil((4 * sizeOf(tensor.shape)) / alignment) * alignment;
    }
    const { decay, rate = 1 } = members[0] as TrainedTensor;
    groups.push({ decay, rate, offset, bytes: end - offset });
  }
  return { placed, groups, bytes: end };
}

function grouped(tensors: readonly TrainedTensor[]): Iterable<readonly TrainedTensor[]> {
  const groups = new Map<string, TrainedTensor[]>();
  const names = new Set<string>();
  for (const tensor of tensors) {
    if (names.has(tensor.name)) throw new QuintetError('name', 'is trained twice in one arena', { at: tensor.name });
    names.add(tensor.name);
    const key = `${tensor.decay} ${tensor.rate ?? 1}`;
    const group = groups.get(key);
    if (group) group.push(tensor);
    else groups.set(key, [tensor]);
  }
  return groups.values();
}

function allocate(bytes: number): WebAssembly.Memory {
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  if (bytes > largestMemory) {
    throw new QuintetError('limit', `values, gradients and moments take ${gigabytes} GiB; an arena holds at most 4`, {
      hint: 'Train fewer parameters: freeze parts of the model, or use LoRA',
    });
  }
  const pages = Math.ceil(bytes / pageBytes);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new QuintetError('limit', `${gigabytes} GiB for values, gradients and moments cannot be allocated`, {
      cause,
    });
  }
}
