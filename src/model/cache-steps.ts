/**
 * A cache of keys and values in eight bits: whole multiples of what a step of each channel stands for, which is fixed before
 * anything is read. So rows, forks and saved conversations share one scale, whatever they say.
 *
 * B rows, T tokens, G key-value heads, S places, K head width
 */
import { type Declaration, type Params, rootScope } from '../nn/index.js';
import {
  type CachedContext,
  type CacheSteps,
  cacheNames,
  inPlaceCache,
  type System,
  type Tensors,
} from '../system/index.js';
import { type HostArray, hostArray, QuintetError, Random, sameShape, zerosArray } from '../tensor/index.js';
import { compile, type Packed } from './compile.js';
import { specialId } from './defaults.js';
import { type LanguageEnds, languageGraph, nothingSeen } from './language-graph.js';
import type { Model } from './model.js';

/** Gives the steps that were kept of a model, or keeps what `measure` gives. */
export type KeepSteps = (model: Model<System>, measured: Measured) => Promise<CacheSteps>;

export interface Measured {
  /** How many channels there are, by the names of the cache's arrays. */
  readonly channels: Readonly<Record<string, number>>;
  /** The parameters that keys and values are made of. */
  readonly declarations: Iterable<Declaration>;
  measure(): Promise<CacheSteps>;
}

/** What is measured of a model for its cache. */
export interface Measuring {
  readonly ends: LanguageEnds;
  readonly packed: Packed | undefined;
  readonly layers: CachedContext['layers'];
  /** Whether the engine's own attention reads the cache. */
  readonly inPlace: boolean;
  /** Keys and values of virtual tokens, f32 [1, G, V, K]. */
  readonly virtual: Readonly<Record<string, HostArray>>;
}

/** The steps of a model that is to have a cache in eight bits; undefined where it is in f32. */
export async function cacheSteps(model: Model<System>, measuring: Measuring): Promise<CacheSteps | undefined> {
  if (!model.keepSteps) return undefined;
  if (!measuring.inPlace) {
    throw new QuintetError('unsupported', 'this model has no cache of keys and values in eight bits', {
      at: model.network.name,
      hint: 'only the engine `native` has one, for heads whose width 8 divides and attention without a bias',
    });
  }
  const { p, declarations } = rootScope();
  keysAndValues(model, measuring.ends, model.adapt(p));
  const channels = measuring.layers.flatMap(({ kvHeads, headWidth }, layer) =>
    cacheNames(layer).past.map((name) => [name, kvHeads * headWidth] as const),
  );
  return model.keepSteps(model, {
    channels: Object.fromEntries(channels),
    declarations: declarations.values(),
    measure: () => measureSteps(model, measuring),
  });
}

const keysAndValues = ({ network }: Model<System>, ends: LanguageEnds, p: Params): Tensors =>
  languageGraph(network, p, inPlaceCache(), ends).caches;

/** Words that are drawn at random are read in so many rows, of so many tokens each. */
const [rows, tokens] = [8, 64];

/**
 * How far real texts may go beyond the largest of those. Of SmolLM2-135M's numbers one in ten thousand goes further, and is
 * cut; a larger margin makes rounding coarser than it saves.
 */
const margin = 2;

/** The keys and values of some words, and from them what a step of each channel is to stand for. */
async function measureSteps(model: Model<System>, { ends, packed, layers, virtual }: Measuring): Promise<CacheSteps> {
  const name = `${model.network.name} cache steps`;
  const session = await compile(model, name, (p) => keysAndValues(model, ends, p), packed);
  try {
    const caches = layers.flatMap(({ kvHeads, headWidth }, layer) => {
      const { past, present } = cacheNames(layer);
      return past.map((name, i) => {
        const array = zerosArray('f32', [rows, kvHeads, tokens, headWidth]);
        return { name, present: present[i] as string, array };
      });
    });
    const given = {
      ...wordFeeds(model, ends.ids),
      ...Object.fromEntries(caches.map(({ name, array }) => [name, array])),
    };
    const feeds = Object.fromEntries(session.inputs.map((name) => [name, given[name] as HostArray]));
    await session.run(feeds, { into: Object.fromEntries(caches.map(({ present, array }) => [present, array])) });
    const steps = caches.map(({ name, array }) => {
      const begun = virtual[name];
      const largest = [array, ...(begun ? [begun] : [])].map(largestOf);
      return [name, stepsUpTo(largest)] as const;
    });
    return Object.fromEntries(steps);
  } finally {
    await session.close();
  }
}

/**
 * Words of all kinds, as some texts would begin; since keys are turned by their places, rows stand at places from the first
 * to the last one that the model knows.
 */
function wordFeeds(model: Model<System>, count: number): Record<string, HostArray> {
  const { network } = model;
  const { context } = network.backbone.part;
  const random = new Random(0);
  const first = specialId(model, 'bos_token_id');
  const word = (t: number): number => {
    if (t === 0 && first !== undefined) return first;
    const id = random.integer(count);
    return id === network.image?.token ? word(t) : id;
  };
  const place = (row: number, t: number): number => Math.floor((row * Math.max(0, context - tokens)) / (rows - 1)) + t;
  const table = (of: (row: number, t: number) => number): HostArray =>
    hostArray(
      'i64',
      [rows, tokens],
      Array.from({ length: rows * tokens }, (_, i) => of(Math.floor(i / tokens), i % tokens)),
    );
  return {
    ids: table((_, t) => word(t)),
    positions: table((row, t) => Math.min(place(row, t), context - 1)),
    last: hostArray('i32', [rows], new Array<number>(rows).fill(tokens - 1)),
    total: hostArray('i32', [], [tokens]),
    length: hostArray('i64', [], [context]),
    features: nothingSeen(network),
  };
}

/** The largest magnitude of each channel: [B, G, S, K] -> [G*K] */
function largestOf({ shape, data }: HostArray): Float32Array {
  const [, heads, places, width] = shape as [number, number, number, number];
  const result = new Float32Array(heads * width);
  for (const [i, value] of (data as Float32Array).entries()) {
    const channel = (Math.floor(i / (places * width)) % heads) * width + (i % width);
    result[channel] = Math.max(result[channel] as number, Math.abs(value));
  }
  return result;
}

function stepsUpTo(largest: readonly Float32Array[]): HostArray {
  const [first] = largest as readonly [Float32Array];
  const all = first.map((value, i) => Math.max(value, ...largest.slice(1).map((other) => other[i] as number)));
  return hostArray(
    'f32',
    [all.length],
    all.map((value) => (margin * Math.max(value, 1e-6)) / 127),
  );
}

/** Keys or values f32 [1, G, S, K] as multiples of steps [G*K], the nearest that eight bits hold. */
function inSteps(array: HostArray, steps: HostArray): HostArray {
  const result = zerosArray('i8', array.shape);
  const whole = result.data as Int8Array;
  byStep(array, steps, (i, value, step) => {
    whole[i] = Math.max(-128, Math.min(127, Math.round(value / step)));
  });
  return result;
}

/** The other way round; what the steps do not fit stays as it is. */
export function outOfSteps(array: HostArray, steps: HostArray): HostArray {
  const [, heads = 0, , width = 0] = array.shape;
  if (array.dtype !== 'i8' || steps.dtype !== 'f32' || !sameShape(steps.shape, [heads * width])) return array;
  const result = zerosArray('f32', array.shape);
  const numbers = result.data as Float32Array;
  byStep(array, steps, (i, value, step) => {
    numbers[i] = value * step;
  });
  return result;
}

/** Keys and values by name, as multiples of their steps. */
export const allInSteps = (arrays: Readonly<Record<string, HostArray>>, steps: CacheSteps): Record<string, HostArray> =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, inSteps(array, steps[name] as HostArray)]));

function byStep(
  { shape, data }: HostArray,
  steps: HostArray,
  visit: (i: number, value: number, step: number) => void,
): void {
  const [, , places, width] = shape as [number, number, number, number];
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / (places * width)) * width + (i % width);
    visit(i, Number(data[i]), Number(steps.data[channel]));
  }
}
