/** Engine `native`: ONNX Runtime's C API in this process. Runs off the event loop, on the host's own arrays. */
import { rename } from 'node:fs/promises';
import { type OnnxInitializer, type OnnxModel, type OnnxValue, onnxBytes } from '../onnx/index.js';
import { type HostArray, zerosArray } from '../tensor/index.js';
import { checkThreads, type Engine, type RunOptions, type Session, type SessionOptions } from './engine.js';
import { checkOpen, failure, stopped } from './failures.js';
import { type Arrays, checkFeeds, type Sizes, shapeFrom, wantedOutputs } from './feeds.js';
import { loadOrt, type OrtApi, type Pointer } from './native-api.js';
import { type SharedSession, sessionKey, sharedSession } from './native-sharing.js';
import { cNames, copyOf, cString, type Names, pointerArray, valueOfBytes, valueOver } from './native-values.js';
import { placeWeights, type Weights } from './native-weights.js';

export interface NativeOptions {
  /** Path of ONNX Runtime's shared library; default the one that onnxruntime-node ships. */
  readonly library?: string;
  /** Threads of a session that does not say otherwise; default one a core. */
  readonly threads?: number;
}

/** The engine; throws a QuintetError of code 'engine' where the library cannot be loaded. */
export function nativeEngine({ library, threads }: NativeOptions = {}): Engine {
  const api = loadOrt(library, threads);
  return {
    name: 'native',
    description: `ONNX Runtime ${api.version}, ${api.path}`,
    inPlace: true,
    insideOnly: [],
    createSession: (model, options = {}) =>
      createSession(api, model, threads === undefined ? options : { threads, ...options }),
  };
}

async function createSession(api: OrtApi, model: OnnxModel, options: SessionOptions): Promise<Session> {
  checkThreads(options.threads);
  const weights = placeWeights(model);
  const made = { model, bytes: onnxBytes(model, weights.place), weights };
  const held = withoutGiven(model);
  const key = sessionKey(api, made, options);
  const shared = await sharedSession(api, { key, model: held }, () => makeSession(api, made, options));
  return new NativeSession(api, held, shared, options.profile);
}

interface Made {
  readonly model: OnnxModel;
  readonly bytes: Uint8Array;
  readonly weights: Weights;
}

async function makeSession(api: OrtApi, made: Made, options: SessionOptions): Promise<Pointer> {
  const { model, bytes, weights } = made;
  const result = pointerArray([0n]);
  const settings = api.make('CreateSessionOptions');
  const values: Pointer[] = [];
  try {
    configure(api, settings, options, weights.folder);
    if (options.rewrites === false && !castsWeights(model)) api.call('SetSessionGraphOptimizationLevel', settings, 0);
    handOver(api, settings, weights.handed, values);
    const creating = api.callAsync(
      'CreateSessionFromArray',
      api.environment,
      bytes,
      bytes.byteLength,
      settings,
      result,
    );
    creations.set(creating, [made, result]);
    await creating.finally(() => creations.delete(creating));
    // Laying weights out anew takes as much again as they have, which the C library would keep.
    api.trimMemory();
    if (model.initializers.some(isGivenAway)) givenAway.register(model, api);
    return result[0] as Pointer;
  } catch (cause) {
    throw failure(model, cause);
  } finally {
    for (const value of values) api.release('ReleaseValue', value);
    api.release('ReleaseSessionOptions', settings);
  }
}

/** Sessions being made, and the memory that the engine reads meanwhile: only this keeps it from being collected. */
const creations = new Map<Promise<void>, unknown>();

/**
 * Models whose weights were given away: soon after they are collected, what the engine's copies and ours took is free.
 */
const givenAway = new FinalizationRegistry((api: OrtApi) => void setTimeout(() => api.trimMemory(), 50).unref());

/**
 * Gives initialisers in memory to a session to be made, and adds to `values` what is to be released afterwards. The first
 * call puts them in the place of the model's own, for optimisations that compute with them; the second makes the session
 * read this very memory instead of copying it. The copy of what is given away is freed where a kernel lays it out anew.
 */
function handOver(api: OrtApi, made: Pointer, handed: Weights['handed'], values: Pointer[]): void {
  for (const { dtype, shape, bytes } of handed) values.push(valueOfBytes(api, dtype, shape, bytes));
  const names = handed.map(({ name }) => name);
  api.call('AddExternalInitializers', made, names, pointerArray(values), values.length);
  for (const [i, initializer] of handed.entries()) {
    if (!isGivenAway(initializer)) api.call('AddInitializer', made, initializer.name, values[i] as Pointer);
  }
}

function isGivenAway({ source }: OnnxInitializer): boolean {
  return 'bytes' in source && source.givenAway === true;
}

/** Whether weights are cast, which the engine does once where it may rewrite the graph, and otherwise in every run. */
function castsWeights({ nodes, initializers }: OnnxModel): boolean {
  const weights = new Set(initializers.map(({ name }) => name));
  return nodes.some(({ op, inputs }) => op === 'Cast' && weights.has(inputs[0] as string));
}

/** What a session has to hold of its model. */
function withoutGiven(model: OnnxModel): OnnxModel {
  return { ...model, initializers: model.initializers.filter((initializer) => !isGivenAway(initializer)) };
}

function configure(api: OrtApi, made: Pointer, options: SessionOptions, folder: string | undefined): void {
  const entry = (key: string, value: string) => api.call('AddSessionConfigEntry', made, key, value);
  // Plans of memory, and the engine's own store of it, hold on to the most that was ever needed. A training step needs the
  // same gigabytes again and again: without a store, each of the C library's threads would keep what its runs freed.
  api.call('DisableMemPattern', made);
  if (options.purpose !== 'train') api.call('DisableCpuMemArena', made);
  // Threads of its own would wait actively beside those of other sessions, and take the cores from them.
  const { threads = api.threads, spin = true } = options;
  if (threads === api.threads && spin) api.call('DisablePerSessionThreads', made);
  else api.call('SetIntraOpNumThreads', made, threads);
  if (!spin) entry('session.intra_op.allow_spinning', '0');
  if (options.profile !== undefined) api.call('EnableProfiling', made, options.profile);
  // Recomputation writes a subgraph twice on purpose: merging equal nodes would undo it.
  if (options.purpose === 'train') {
    entry('optimization.disable_specified_optimizers', 'CommonSubexpressionElimination');
  }
  if (options.copies === false) entry('session.disable_prepacking', '1');
  if (folder !== undefined) entry('session.model_external_initializers_file_folder_path', folder);
}

/** What a run reads and writes. */
interface RunValues {
  /** The arrays of the inputs, in order. */
  readonly fed: readonly HostArray[];
  /** The arrays that the caller gave for outputs, in order. */
  readonly given: readonly (HostArray | undefined)[];
  /** Names of the outputs. */
  readonly fetch: readonly string[];
  /** Where outputs are written; undefined where the engine makes them. */
  readonly arrays: readonly (HostArray | undefined)[];
  readonly inputs: BigUint64Array;
  readonly outputs: BigUint64Array;
  /** Everything to be released. */
  readonly all: Pointer[];
  /** How many runs use them now. */
  runs: number;
}

class NativeSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #names: Names;
  readonly #inputNames: BigUint64Array;
  readonly #outputNames: BigUint64Array;
  /** Runs in flight, and the memory that the engine uses meanwhile: only this keeps it from being collected. */
  readonly #running = new Map<Promise<unknown>, unknown>();
  /** Those of the last run that could be used again: single tokens are run on the same arrays thousands of times. */
  #last: RunValues | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    readonly api: OrtApi,
    /** Also holds the memory that the session reads its weights from. */
    readonly model: OnnxModel,
    readonly shared: SharedSession,
    readonly profile: string | undefined,
  ) {
    this.inputs = model.inputs.map(({ name }) => name);
    this.outputs = model.outputs.map(({ name }) => name);
    this.#names = cNames([...this.inputs, ...this.outputs]);
    this.#inputNames = this.#pointers(this.inputs);
    this.#outputNames = this.#pointers(this.outputs);
  }

  async run(feeds: Arrays, options: RunOptions = {}): Promise<Record<string, HostArray>> {
    checkOpen(this.model, this.#closing === undefined, options.signal);
    const known = this.#last && sameArrays(this.#last, this, feeds, options) ? this.#last : undefined;
    const values = known ?? this.#values(feeds, options);
    if (known === undefined && values.given.every((array) => array)) this.#keep(values);
    values.runs++;
    try {
      const running = this.#call(values, options.signal);
      this.#running.set(running, values);
      await running.finally(() => this.#running.delete(running));
      const { api } = this;
      const results = values.fetch.map((name, i) => {
        const array = values.arrays[i];
        if (array) return [name, array] as const;
        const made = values.outputs[i] as Pointer;
        values.all.push(made);
        return [name, copyOf(api, made)] as const;
      });
      return Object.fromEntries(results);
    } finally {
      values.runs--;
      if (values !== this.#last) this.#release(values);
      if (options.trim) this.api.trimMemory();
    }
  }

  /** Values over the arrays of a run. */
  #values(feeds: Arrays, options: RunOptions): RunValues {
    const { api, model } = this;
    const sizes = checkFeeds(model, feeds);
    const wanted = wantedOutputs(model, options, sizes);
    const fetch = options.fetch ?? this.outputs;
    const arrays = wanted.map(({ output, into }) => into ?? freshArray(output, sizes));
    const all: Pointer[] = [];
    const fed = this.inputs.map((name) => feeds[name] as HostArray);
    try {
      for (const array of fed) all.push(valueOver(api, array));
      for (const array of arrays) all.push(array ? valueOver(api, array) : 0n);
    } catch (error) {
      for (const value of all) if (value) api.release('ReleaseValue', value);
      throw error;
    }
    const inputs = pointerArray(all.slice(0, fed.length));
    const outputs = pointerArray(all.slice(fed.length));
    return { fed, given: wanted.map(({ into }) => into), fetch, arrays, inputs, outputs, all, runs: 0 };
  }

  /** Keeps the values of a run for the next one over the same arrays. */
  #keep(values: RunValues): void {
    const before = this.#last;
    this.#last = values;
    if (before) this.#release(before);
  }

  #release(values: RunValues): void {
    // Whoever is last to run on them releases them.
    if (values.runs > 0) return;
    for (const value of values.all.splice(0)) if (value) this.api.release('ReleaseValue', value);
  }

  async #call({ fetch, inputs, outputs }: RunValues, signal: AbortSignal | undefined): Promise<void> {
    const { api } = this;
    const [ins, outs] = [this.#inputNames, fetch === this.outputs ? this.#outputNames : this.#pointers(fetch)];
    const options = signal ? api.make('CreateRunOptions') : 0n;
    const stop = () => api.call('RunOptionsSetTerminate', options);
    signal?.addEventListener('abort', stop);
    try {
      await api.callAsync('Run', this.shared.pointer, options, ins, inputs, ins.length, outs, outs.length, outputs);
    } catch (cause) {
      throw signal?.aborted ? stopped(this.model, signal) : failure(this.model, cause);
    } finally {
      signal?.removeEventListener('abort', stop);
      if (options) api.release('ReleaseRunOptions', options);
    }
    if (signal?.aborted) throw stopped(this.model, signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running.keys());
    const last = this.#last;
    this.#last = undefined;
    if (last) this.#release(last);
    try {
      if (this.profile !== undefined) await moveProfile(this.api, this.shared.pointer, this.profile);
    } finally {
      await this.shared.release();
      // Weights that were laid out anew are the session's own, and often as large as the model.
      this.api.trimMemory();
    }
  }

  #pointers(names: readonly string[]): BigUint64Array {
    return pointerArray(names.map((name) => this.#names.pointers.get(name) as Pointer));
  }
}

/** Whether a run reads and writes the very arrays of an earlier one, and their memory is still there. */
function sameArrays(
  last: RunValues,
  { inputs, outputs }: Session,
  feeds: Arrays,
  { into, fetch = outputs }: RunOptions,
): boolean {
  if (!into || fetch !== last.fetch) return false;
  const same = (array: HostArray | undefined, before: HostArray | undefined): boolean =>
    array !== undefined && array === before && array.data.byteLength > 0;
  return (
    inputs.every((name, i) => same(feeds[name], last.fed[i])) &&
    last.fetch.every((name, i) => same(into[name], last.given[i])) &&
    Object.keys(feeds).length === inputs.length
  );
}

/**
 * The array that an output is written into, where its shape follows from the inputs: then nothing is copied. A shape
 * that does not is left to the engine.
 */
function freshArray({ dtype, shape }: OnnxValue, sizes: Sizes): HostArray | undefined {
  const known = shapeFrom(shape, sizes);
  return known && zerosArray(dtype, known);
}

/** Ends profiling; ONNX Runtime adds the time and a number to the path it was given. */
async function moveProfile(api: OrtApi, session: Pointer, to: string): Promise<void> {
  const allocator = api.make('GetAllocatorWithDefaultOptions');
  const name = api.make('SessionEndProfiling', session, allocator);
  const from = cString(name);
  api.call('AllocatorFree', allocator, name);
  await rename(from, to);
}
