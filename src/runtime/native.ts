/** Engine `native`: ONNX Runtime's C API in this process. Runs off the event loop, on the host's own arrays. */
import { type OnnxModel, onnxBytes } from '../onnx/index.js';
import type { HostArray } from '../tensor/index.js';
import type { Engine, RunOptions, Session, SessionOptions } from './engine.js';
import { loadOrt, type OrtApi, type Pointer } from './native-api.js';
import { cNames, copyOf, makeValue, type Names, pointerArray, valueOver } from './native-values.js';
import { placeWeights } from './native-weights.js';

export interface NativeOptions {
  /** Path of ONNX Runtime's shared library; default the one that onnxruntime-node ships. */
  readonly library?: string;
}

/** The engine; throws a QuintetError of code 'engine' where the library cannot be loaded. */
export function nativeEngine({ library }: NativeOptions = {}): Engine {
  const api = loadOrt(library);
  return {
    name: 'native',
    description: `ONNX Runtime ${api.version}, ${api.path}`,
    inPlace: true,
    createSession: (model, options = {}) => createSession(api, model, options),
  };
}

async function createSession(api: OrtApi, model: OnnxModel, options: SessionOptions): Promise<Session> {
  const weights = placeWeights(model);
  const bytes = onnxBytes(model, weights.place);
  const names = cNames(weights.handed.map(({ name }) => name));
  const made = api.make('CreateSessionOptions');
  const values: Pointer[] = [];
  try {
    configure(api, made, options, weights.folder);
    for (const { dtype, shape, bytes } of weights.handed) values.push(makeValue(api, dtype, shape, bytes));
    if (values.length > 0) {
      const pointers = pointerArray([...names.pointers.values()]);
      api.call('AddExternalInitializers', made, pointers, pointerArray(values), values.length);
    }
    const session = pointerArray([0n]);
    await api.callAsync('CreateSessionFromArray', api.environment, bytes, bytes.byteLength, made, session);
    return new NativeSession(api, model, session[0] as Pointer, weights.handed);
  } finally {
    for (const value of values) api.release('ReleaseValue', value);
    api.release('ReleaseSessionOptions', made);
  }
}

function configure(api: OrtApi, made: Pointer, options: SessionOptions, folder: string | undefined): void {
  const entry = (key: string, value: string) => api.call('AddSessionConfigEntry', made, key, value);
  // Both hold on to the largest memory ever needed, twice what a run needs at its peak, and gain no time.
  api.call('DisableCpuMemArena', made);
  api.call('DisableMemPattern', made);
  if (options.threads !== undefined) api.call('SetIntraOpNumThreads', made, options.threads);
  if (options.profile !== undefined) api.call('EnableProfiling', made, options.profile);
  // Recomputation writes a subgraph twice on purpose: merging equal nodes would undo it.
  if (options.purpose === 'train') {
    entry('optimization.disable_specified_optimizers', 'CommonSubexpressionElimination');
  }
  if (folder !== undefined) entry('session.model_external_initializers_file_folder_path', folder);
}

class NativeSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #names: Names;

  constructor(
    readonly api: OrtApi,
    readonly model: OnnxModel,
    readonly pointer: Pointer,
    /** The memory that the session reads its weights from. */
    readonly weights: unknown,
  ) {
    this.inputs = model.inputs.map(({ name }) => name);
    this.outputs = model.outputs.map(({ name }) => name);
    this.#names = cNames([...this.inputs, ...this.outputs]);
  }

  async run(feeds: Readonly<Record<string, HostArray>>, options: RunOptions = {}): Promise<Record<string, HostArray>> {
    const { api } = this;
    const { into = {}, fetch = this.outputs } = options;
    const inputs = pointerArray(this.inputs.map((name) => valueOver(api, feeds[name] as HostArray)));
    const outputs = pointerArray(fetch.map((name) => (into[name] ? valueOver(api, into[name]) : 0n)));
    try {
      const [ins, outs] = [this.#pointers(this.inputs), this.#pointers(fetch)];
      await api.callAsync('Run', this.pointer, 0n, ins, inputs, ins.length, outs, outs.length, outputs);
      return Object.fromEntries(fetch.map((name, i) => [name, into[name] ?? copyOf(api, outputs[i] as Pointer)]));
    } finally {
      for (const value of [...inputs, ...outputs]) if (value) api.release('ReleaseValue', value);
    }
  }

  async close(): Promise<void> {
    this.api.release('ReleaseSession', this.pointer);
  }

  #pointers(names: readonly string[]): BigUint64Array {
    return pointerArray(names.map((name) => this.#names.pointers.get(name) as Pointer));
  }
}
