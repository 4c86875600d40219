/**
 * Engine `web`: onnxruntime-web's CPU build in WebAssembly, for browsers, and for Node where the native library cannot
 * be loaded. A run occupies the thread it is called on: an application keeps it in a worker.
 */
import * as ort from 'onnxruntime-web/wasm';
import { type OnnxInitializer, type OnnxModel, onnxBytes } from '../onnx/index.js';
import { type DType, type HostArray, hostArrays, QuintetError } from '../tensor/index.js';
import type { Engine, RunOptions, Session, SessionOptions } from './engine.js';
import { checkOpen, failure, stopped } from './failures.js';
import { type Arrays, checkFeeds, wantedOutputs } from './feeds.js';

export interface WebOptions {
  /** The WebAssembly file: its bytes, or where a browser finds it; default beside the script. */
  readonly wasm?: Uint8Array | string;
  /**
   * Where a browser finds the script that belongs to the WebAssembly file, `ort-wasm-simd-threaded.mjs`: each further thread
   * begins with it. One thread needs no script.
   */
  readonly script?: string;
  /** Threads of all sessions; a browser has more than one only where the page is cross-origin isolated. Default 1. */
  readonly threads?: number;
  /** Reads a range of a file of weights; without it all weights must be in memory. */
  readonly readRange?: (file: string, offset: number, length: number) => Promise<Uint8Array>;
}

/** The only messages that are printed: failures are thrown, and a library does not print. */
const FATAL = 4;

/** The engine. The first one decides for the whole page or process where the WebAssembly file is, and its threads. */
export function webEngine(options: WebOptions = {}): Engine {
  const { wasm, script, threads = 1 } = options;
  if (threads > 1 && script === undefined) {
    // Without it a thread would begin with the script that Quintet was bundled into, and never answer.
    throw new QuintetError('unsupported', 'the web engine has several threads only with a `script`', {
      hint: 'give the address of ort-wasm-simd-threaded.mjs of onnxruntime-web',
    });
  }
  ort.env.logLevel = 'fatal';
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { ...(typeof wasm === 'string' ? { wasm } : {}), ...(script ? { mjs: script } : {}) };
  if (wasm instanceof Uint8Array) ort.env.wasm.wasmBinary = wasm;
  return {
    name: 'web',
    description: `ONNX Runtime ${ort.env.versions.web}, WebAssembly, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    inPlace: false,
    insideOnly,
    createSession(model, sessionOptions = {}) {
      const creating = lastCreation.then(() => createSession(model, sessionOptions, options));
      lastCreation = creating.catch(() => undefined);
      return creating;
    },
  };
}

/** Files given to one session are seen by all that are being created: so they are created one after the other. */
let lastCreation: Promise<unknown> = Promise.resolve();

/** From this size on, initialisers are given beside the model, whose size protobuf limits to 2 GiB. */
const BESIDE_BYTES = 1024;

async function createSession(model: OnnxModel, options: SessionOptions, engine: WebOptions): Promise<Session> {
  for (const { name, dtype } of [...model.inputs, ...model.outputs]) {
    if (insideOnly.includes(dtype)) {
      throw new QuintetError('unsupported', `onnxruntime-web takes and gives no ${dtype} arrays: "${name}"`, {
        at: model.name,
        hint: 'cast in the graph',
      });
    }
  }
  if (options.profile !== undefined) {
    throw new QuintetError('unsupported', 'the web engine writes no profile', { at: model.name });
  }
  const beside = model.initializers.filter(({ source }) => 'file' in source || source.bytes.length >= BESIDE_BYTES);
  const places = new Map(beside.map((initializer, i) => [initializer, `weights${i}`]));
  const externalData: { path: string; data: Uint8Array }[] = [];
  for (const [initializer, path] of places) externalData.push({ path, data: await readBytes(initializer, engine) });
  const bytes = onnxBytes(model, (initializer) => {
    const location = places.get(initializer);
    const { source } = initializer;
    const length = 'file' in source ? source.length : source.bytes.length;
    return location === undefined ? undefined : { location, offset: 0, length };
  });
  const merged = 'CommonSubexpressionElimination';
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ['wasm'],
    enableCpuMemArena: false,
    enableMemPattern: false,
    logSeverityLevel: FATAL,
    externalData,
    // Recomputation writes a subgraph twice on purpose: merging equal nodes would undo it.
    ...(options.purpose === 'train' ? { extra: { optimization: { disable_specified_optimizers: merged } } } : {}),
  }).catch((cause) => {
    throw failure(model, cause);
  });
  return new WebSession(model, session);
}

async function readBytes({ name, source }: OnnxInitializer, { readRange }: WebOptions): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes;
  if (!readRange) {
    throw new QuintetError('unsupported', `"${name}" lies in a file, which this engine has no way to read`, {
      at: source.file,
      hint: 'give the web engine a `readRange`, or bind the weight to bytes in memory',
    });
  }
  return readRange(source.file, source.offset, source.length);
}

class WebSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(
    readonly model: OnnxModel,
    readonly session: ort.InferenceSession,
  ) {
    this.inputs = model.inputs.map(({ name }) => name);
    this.outputs = model.outputs.map(({ name }) => name);
  }

  async run(feeds: Arrays, options: RunOptions = {}): Promise<Record<string, HostArray>> {
    const { model } = this;
    checkOpen(model, this.#closing === undefined, options.signal);
    const sizes = checkFeeds(model, feeds);
    if (options.into) {
      throw new QuintetError('unsupported', 'the web engine writes no output into given memory', { at: model.name });
    }
    const wanted = wantedOutputs(model, options, sizes).map(({ output }) => output);
    const tensors = Object.fromEntries(this.inputs.map((name) => [name, tensorOf(feeds[name] as HostArray)]));
    const running = this.#run(
      tensors,
      wanted.map(({ name }) => name),
      options.signal,
    );
    this.#running.add(running);
    const results = await running.finally(() => this.#running.delete(running));
    if (options.signal?.aborted) throw stopped(model, options.signal);
    return Object.fromEntries(wanted.map(({ name, dtype }) => [name, arrayOf(dtype, results[name] as ort.Tensor)]));
  }

  async #run(
    tensors: Record<string, ort.Tensor>,
    wanted: string[],
    signal: AbortSignal | undefined,
  ): Promise<ort.InferenceSession.ReturnType> {
    await otherEvents();
    if (signal?.aborted) throw stopped(this.model, signal);
    return this.session.run(tensors, wanted, { logSeverityLevel: FATAL }).catch((cause) => {
      throw failure(this.model, cause);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.session.release();
  }
}

/**
 * Runs end within the task that began them, so that a loop over them would keep out everything else: the message that
 * aborts it, timers, drawing. A message to oneself waits for its turn among them.
 */
function otherEvents(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** onnxruntime-web 1.30 has no name for this type: "unsupported data type: 16" for an input or output that has it. */
const insideOnly: readonly DType[] = ['bf16'];

const tensorTypes = {
  f32: 'float32',
  f16: 'float16',
  f64: 'float64',
  i64: 'int64',
  i32: 'int32',
  i16: 'int16',
  i8: 'int8',
  u64: 'uint64',
  u32: 'uint32',
  u16: 'uint16',
  u8: 'uint8',
  bool: 'bool',
} as const satisfies Partial<Record<DType, ort.Tensor.Type>>;

function tensorOf({ dtype, shape, data }: HostArray): ort.Tensor {
  return new ort.Tensor(tensorTypes[dtype as keyof typeof tensorTypes], data as ort.Tensor['data'], shape);
}

function arrayOf(dtype: DType, tensor: ort.Tensor): HostArray {
  const data = tensor.data as Uint8Array;
  // Where the platform has a Float16Array, f16 comes as one: its bits are what is wanted.
  const bits = new hostArrays[dtype](data.buffer as ArrayBuffer, data.byteOffset, data.length);
  return { dtype, shape: tensor.dims, data: bits };
}
