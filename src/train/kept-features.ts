/**
 * What frozen parts make of pictures, computed once and kept on the disk: later epochs read it, and the graph of a step
 * begins behind them. It is found again by the weights and the pixels, which the picture's file and its processing decide.
 *
 * M pictures, P places, E width
 */
import { createHash } from 'node:crypto';
import { compile, type Model } from '../model/index.js';
import { matches, type Params, rootScope } from '../nn/index.js';
import { alone, type ProcessGroup } from '../parallel/group.js';
import type { Session } from '../runtime/engine.js';
import {
  encoderStates,
  type HostArrays,
  type InputType,
  imageFeatures,
  inputTensors,
  isSystem,
  pictureInputs,
  type System,
  type Tensors,
} from '../system/index.js';
import { bytesOf, closeAll, concatRows, type HostArray, QuintetError, sizeOf, sliceRows } from '../tensor/index.js';
import { type FeatureStore, openFeatureStore } from './feature-store.js';
import { type Keeping, keptRows, keptStates, type PictureMemory, pictureKeys } from './picture-memory.js';
import type { CacheFeatures } from './settings/features.js';
import { type FrozenForm, trainingModel } from './step.js';
import type { BatchSource } from './train.js';

type Network = Pick<Model<System>, 'network' | 'adapt'>;

/** What of a picture's way is computed once: its name as an input of the network, its type, and who makes it. */
export interface FrozenWay {
  readonly input: string;
  readonly type: InputType;
  readonly parameters: ReturnType<typeof rootScope>['declarations'];
  make(p: Params, given: Tensors): Tensors[string];
}

/** As much of a picture's way as does not learn; text where there is nothing to keep, the reason. */
function frozenWay({ network, adapt }: Network, train: readonly string[]): FrozenWay | string {
  if (!network.image) return `${network.name} takes no pictures`;
  const encoder = way(adapt, network, 'encoder_states', encoderStates);
  const learns = learning(encoder, train);
  if (learns !== undefined) return `the encoder learns, such as ${learns}: what it sees changes with every step`;
  const [pictures, ...places] = encoder.type.shape;
  if (pictures !== 'M' || places.some((dim) => typeof dim !== 'number')) {
    return `${network.name} sees pictures in parts of varying number`;
  }
  // A generator may look at what the encoder sees, besides what the backbone reads.
  if (network.outputs.image) return encoder;
  const whole = way(adapt, network, 'projected_states', imageFeatures);
  return learning(whole, train) === undefined ? whole : encoder;
}

function way(adapt: Model['adapt'], network: System, input: string, build: typeof encoderStates): FrozenWay {
  const { p, declarations } = rootScope();
  const make = (scope: Params, given: Tensors) => build(network, scope, given);
  const { dtype, shape } = make(adapt(p), inputTensors(pictureInputs(network)));
  return { input, type: { dtype, shape }, parameters: declarations, make };
}

const learning = ({ parameters }: FrozenWay, train: readonly string[]): string | undefined =>
  [...parameters.keys()].find((name) => matches(name, train));

/** What of a stage decides whether features are kept. */
export interface KeepingStage {
  readonly stage: { readonly frozen: FrozenForm; readonly batch: number; readonly cacheFeatures: CacheFeatures };
  readonly train: readonly string[];
  readonly steps: number;
  readonly dataset: { readonly count: number };
}

/** The part of the way that a stage keeps; undefined where it keeps none. An error where it is asked for and cannot be. */
export function keptWay(
  { network, adapt }: Pick<Model, 'network' | 'adapt'>,
  { stage, train, steps, dataset }: KeepingStage,
): FrozenWay | undefined {
  const { frozen, batch, cacheFeatures } = stage;
  const { asked, limit } = cacheFeatures;
  // Samples that come once are seen once.
  if (limit === 0 || (!asked && steps * batch <= dataset.count)) return undefined;
  const way = (): FrozenWay | string =>
    isSystem(network) ? frozenWay({ network, adapt }, train) : `${network.name} is no language model that sees`;
  // Which weights have blocks is only known of a whole stage.
  const found = frozen === 'blocks' ? 'frozen: blocks holds weights as their file has them' : way();
  if (typeof found !== 'string') return found;
  if (!asked) return undefined;
  throw new QuintetError('config', found, {
    at: 'cacheFeatures',
    hint: 'leave cacheFeatures out: features are kept where they can be',
  });
}

export interface KeptFeatures {
  /** Takes what is kept in place of pictures. */
  readonly network: System;
  readonly data: BatchSource;
  close(): Promise<void>;
}

export interface KeptOptions {
  readonly folder: string;
  /** How a step would hold the weights that they are made with. */
  readonly frozen: FrozenForm;
  readonly recompute?: boolean;
  readonly limit: number;
  readonly group?: ProcessGroup | undefined;
  /** Is told what is kept: samples come by it without pixels. */
  readonly memory?: PictureMemory;
  /** Told whenever some have been computed: how many steps have what they need, the one at work in part. */
  readonly onComputed?: (steps: number) => void;
  /** Told, once, why no more can be kept though the limit is not reached. */
  readonly onFull?: ((error: QuintetError) => void) | undefined;
}

/** Batches whose pictures have been seen. */
export function keptFeatures(
  model: Model<System>,
  own: FrozenWay,
  data: BatchSource,
  { folder, limit, frozen, recompute = false, group = alone, memory, onComputed, onFull }: KeptOptions,
): KeptFeatures {
  const { network } = model;
  const { input, type } = own;
  const pictures = Object.keys(pictureInputs(network));
  const [, ...shape] = type.shape as readonly number[];
  const openStore = async (): Promise<FeatureStore> =>
    openFeatureStore(folder, {
      ...{ size: sizeOf(shape), name: await nameOf(model, own, frozen), rank: group.rank },
      ...{ limit: limit / group.size, onFull },
    });
  const make = (p: Params) => own.make(p, inputTensors(pictureInputs(network)));
  /** Computes them as the step would. */
  const openSession = async (): Promise<Session> => {
    const trace = (held: (p: Params) => Params) => make(model.adapt(held(rootScope().p)));
    // What is kept does not learn.
    const uses = { trace, learns: () => false };
    const packed = frozen === 'f32' ? undefined : await model.packFrozen?.(model, uses, frozen);
    return compile(trainingModel(model, { frozen, recompute }), 'features', (p) => ({ [input]: make(p) }), packed);
  };
  // Opening it removes what other stages have kept: a stage that is over must not.
  let store: Promise<FeatureStore> | undefined;
  // Not opened where everything is there.
  let session: Promise<Session> | undefined;
  let computed = 0;
  const compute = async (given: HostArrays): Promise<HostArray> => {
    computed++;
    session ??= openSession();
    const run = await session;
    const feeds = Object.fromEntries(run.inputs.map((name) => [name, given[name] as HostArray]));
    return (await run.run(feeds))[input] as HostArray;
  };
  return {
    network: { ...network, inputs: { ...network.inputs, [input]: type } },
    data: {
      ...data,
      fields: [...data.fields.filter((name) => !pictures.includes(name)), input],
      async take(step, ...rest) {
        const seen: HostArrays[] = [];
        const batches = await data.take(step, ...rest);
        store ??= openStore();
        const kept = await store;
        memory?.use({ store: kept, shape });
        for (const batch of batches) {
          const before = computed;
          const { [keptStates]: states, [keptRows]: rows, ...arrays } = batch;
          const entries = Object.entries(arrays);
          const given = Object.fromEntries(entries.filter(([name]) => pictures.includes(name)));
          const others = Object.fromEntries(entries.filter(([name]) => !pictures.includes(name)));
          const seeing = { store: kept, shape, compute };
          const all = states && rows ? await withGiven({ states, rows }, given, seeing) : await statesOf(given, seeing);
          seen.push({ ...others, [input]: all });
          if (computed > before) onComputed?.(step + seen.length / batches.length);
        }
        return seen;
      },
    },
    close: () => {
      memory?.use(undefined);
      return closeAll({ close: async () => (await session)?.close() }, { close: async () => (await store)?.close() });
    },
  };
}

/** A hash of what is computed, with which weights in which form. */
async function nameOf(
  { weights, network }: Model<System>,
  { input, parameters, type }: FrozenWay,
  frozen: FrozenForm,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([network.name, input, type, frozen]));
  for (const declaration of parameters.values()) {
    hash.update(declaration.name).update(bytesOf(await weights.read(declaration)));
  }
  return hash.digest('hex');
}

interface Computing extends Keeping {
  readonly store: FeatureStore;
  compute(pictures: HostArrays): Promise<HostArray>;
}

/** The states of some pictures [M, P, E]: read, or computed together where they are not kept. */
async function statesOf(pictures: HostArrays, { store, shape, compute }: Computing): Promise<HostArray> {
  const keys = pictureKeys(pictures);
  const rows: (HostArray | undefined)[] = [];
  for (const key of keys) {
    const data = await store.read(key);
    rows.push(data && { dtype: 'f32', shape: [1, ...shape], data });
  }
  const missing = rows.flatMap((row, i) => (row ? [] : [i]));
  if (missing.length > 0) {
    const entries = Object.entries(pictures).map(([name, array]) => [
      name,
      concatRows(missing.map((i) => sliceRows(array, i, i + 1))),
    ]);
    const made = await compute(Object.fromEntries(entries));
    for (const [row, i] of missing.entries()) {
      const own = sliceRows(made, row, row + 1);
      rows[i] = own;
      await store.write(keys[i] as Buffer, own.data as Float32Array);
    }
  }
  return concatRows(rows as HostArray[]);
}

/**
 * The states of all pictures, some of which are given: `rows` says of each whether it is. The others are `pictures`, a blank
 * one where there are none.
 */
async function withGiven(
  { states, rows }: { readonly states: HostArray; readonly rows: HostArray },
  pictures: HostArrays,
  computing: Computing,
): Promise<HostArray> {
  const isGiven = Array.from(rows.data as Uint8Array, Boolean);
  if (isGiven.every(Boolean)) return states;
  const others = await statesOf(pictures, computing);
  const next = { given: 0, others: 0 };
  return concatRows(
    isGiven.map((given) => {
      const from = given ? next.given++ : next.others++;
      return sliceRows(given ? states : others, from, from + 1);
    }),
  );
}
