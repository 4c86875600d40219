/**
 * The flat memory of a training run: values, gradients and the optimiser's state of every trained parameter as regions of
 * one WebAssembly memory, so that the optimiser's kernels update in place what the engine reads, without a copy.
 */
import { type HostArray, QuintetError, sizeOf } from '../tensor/index.js';
import { type Kernels, kernelsOver } from './kernels.js';

export interface TrainedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** f32 numbers of some parameters, one after another, each at a multiple of 64 bytes. Padding stays zero. */
export interface Region {
  readonly data: Float32Array<ArrayBuffer>;
  /** The region's part for each tensor, in place. */
  readonly tensors: Readonly<Record<string, HostArray>>;
}

export interface Arena {
  readonly values: Region;
  /** What the optimiser consumes: the sum over the micro-batches of a step. */
  readonly gradients: Region;
  /** What the optimiser remembers, by its own names. */
  readonly state: Readonly<Record<string, Region>>;
  /** Where the gradients of a further micro-batch are written before they are added; only with `accumulation`. */
  readonly incoming?: Region;
  /** Values that follow the others; only with `average`. */
  readonly average?: Region;
  /** The number of parameters, without padding. */
  readonly size: number;
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
}

/** A cache line, and more than any engine's vectors need. */
const alignment = 64;
const pageBytes = 2 ** 16;
/** 4 GiB: a WebAssembly memory with 32-bit addresses ends there. */
const largestMemory = 2 ** 32;

/** The bytes of a tensor with its padding. */
export const paddedBytes = (shape: readonly number[]): number => Math.ceil((4 * sizeOf(shape)) / alignment) * alignment;

export interface ArenaOptions {
  /** Adds the region `incoming`, which gradient accumulation needs; default false. */
  readonly accumulation?: boolean;
  /** Adds the region `average`; default false. */
  readonly average?: boolean;
  /** The state that the optimiser keeps for a tensor: the shape of each array, by the name of its region; default none. */
  readonly state?: (tensor: TrainedTensor) => Readonly<Record<string, readonly number[]>>;
}

/** An arena of zeros for the given tensors. */
export function createArena(tensors: readonly TrainedTensor[], options: ArenaOptions = {}): Arena {
  const { accumulation = false, average = false } = options;
  requireDistinct(tensors);
  const own = ownRegions(options);
  const plans = plansOf(tensors, options);
  const memory = allocate(arenaBytes(tensors, options));
  let address = 0;
  const regions = new Map<string, Region>();
  for (const [name, plan] of plans) {
    regions.set(name, regionOf(memory, plan, address));
    address += bytesOfPlan(plan);
  }
  const region = (name: string) => regions.get(name) as Region;
  const names = [...regions.keys()].filter((name) => !own.includes(name));
  return {
    values: region('values'),
    gradients: region('gradients'),
    state: Object.fromEntries(names.map((name) => [name.slice(stateName('').length), region(name)])),
    ...(accumulation && { incoming: region('incoming') }),
    ...(average && { average: region('average') }),
    size: tensors.reduce((size, { shape }) => size + sizeOf(shape), 0),
    memory,
    kernels: kernelsOver(memory),
  };
}

/** What an arena of such tensors takes. */
export function arenaBytes(tensors: readonly TrainedTensor[], options: ArenaOptions = {}): number {
  return [...plansOf(tensors, options).values()].reduce((sum, plan) => sum + bytesOfPlan(plan), 0);
}

const bytesOfPlan = (plan: readonly TrainedTensor[]): number =>
  plan.reduce((sum, { shape }) => sum + paddedBytes(shape), 0);

const ownRegions = ({ accumulation = false, average = false }: ArenaOptions): string[] => [
  ...['values', 'gradients', ...(accumulation ? ['incoming'] : []), ...(average ? ['average'] : [])],
];

/** The tensors of each region, in order. */
function plansOf(tensors: readonly TrainedTensor[], options: ArenaOptions): Map<string, TrainedTensor[]> {
  const plans = new Map<string, TrainedTensor[]>(ownRegions(options).map((name) => [name, [...tensors]]));
  for (const tensor of tensors) {
    for (const [region, shape] of Object.entries<readonly number[]>(options.state?.(tensor) ?? {})) {
      const plan = plans.get(stateName(region)) ?? [];
      plan.push({ name: tensor.name, shape });
      plans.set(stateName(region), plan);
    }
  }
  return plans;
}

/** Regions of state do not meet the arena's own. */
const stateName = (region: string): string => `state ${region}`;

function regionOf(memory: WebAssembly.Memory, plan: readonly TrainedTensor[], address: number): Region {
  let offset = address;
  const tensors: Record<string, HostArray> = {};
  for (const { name, shape } of plan) {
    tensors[name] = { dtype: 'f32', shape, data: new Float32Array(memory.buffer, offset, sizeOf(shape)) };
    offset += paddedBytes(shape);
  }
  return { data: new Float32Array(memory.buffer as ArrayBuffer, address, (offset - address) / 4), tensors };
}

function requireDistinct(tensors: readonly TrainedTensor[]): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw new QuintetError('name', 'is trained twice in one arena', { at: name });
    names.add(name);
  }
}

function allocate(bytes: number): WebAssembly.Memory {
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  if (bytes > largestMemory) {
    throw new QuintetError(
      'limit',
      `values, gradients and the optimiser's state take ${gigabytes} GiB, at most 4 fit`,
      {
        hint: 'Train fewer parameters: freeze parts of the model, or use LoRA; or an optimiser that keeps less, such as adafactor',
      },
    );
  }
  const pages = Math.ceil(bytes / pageBytes);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new QuintetError('limit', `${gigabytes} GiB for values, gradients and state cannot be allocated`, { cause });
  }
}
