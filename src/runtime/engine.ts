/** What runs a graph. Two engines implement this: `native` (ONNX Runtime's C API) and `web` (onnxruntime-web). */

import type { OnnxModel } from '../onnx/model.js';
import { type DType, type HostArray, QuintetError, show } from '../tensor/index.js';

/** A pool of many thousands never gets ready; larger machines use so many cores. */
export const mostThreads = 512;

export function checkThreads(threads: number | undefined): void {
  if (threads === undefined || (Number.isSafeInteger(threads) && threads >= 1 && threads <= mostThreads)) return;
  throw new QuintetError('config', `threads: expected a whole number from 1 to ${mostThreads}, got ${show(threads)}`);
}

export interface SessionOptions {
  /** Threads inside one operator; default: the engine's own setting. */
  readonly threads?: number;
  /** Whether idle threads wait actively, which is faster for one busy session and wasteful among many; default true. */
  readonly spin?: boolean;
  /** `train` keeps what a graph computes twice on purpose, which is recomputation; default `infer`. */
  readonly purpose?: 'infer' | 'train';
  /** Whether the engine may lay out copies of weights as its products like them; default true. Without, they stay in their files. */
  readonly copies?: boolean;
  /**
   * Whether the engine may rewrite the graph; default true. Without, a session is made sooner, and as fast where the graph is
   * written as the engine would have it. Only `native` asks; it rewrites all the same where weights have to be cast.
   */
  readonly rewrites?: boolean;
  /** Where to write a trace of every operator's time (Chrome's trace format) when the session closes. */
  readonly profile?: string;
}

export interface RunOptions {
  /**
   * Arrays that outputs are written into; only where `engine.inPlace`. An input's own array may be given where nothing but
   * the operator that gives the output reads it (a cache): the engine does not know that they share memory.
   */
  readonly into?: Readonly<Record<string, HostArray>>;
  /** The outputs wanted; default all. */
  readonly fetch?: readonly string[];
  readonly signal?: AbortSignal;
  /** Whether what was freed goes back to the system afterwards: for runs that need far more memory than those to come. */
  readonly trim?: boolean;
}

export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs the graph, `native` off the event loop. Rejects with code 'aborted' when the signal fires (which stops `native`
   * at the end of the operator it is in); 'name', 'dtype' or 'shape' where an array does not fit; 'engine' at a failure.
   */
  run(feeds: Readonly<Record<string, HostArray>>, options?: RunOptions): Promise<Record<string, HostArray>>;
  /** Frees the session once the runs in flight have ended; later ones are refused. */
  close(): Promise<void>;
}

export interface Engine {
  readonly name: 'native' | 'web';
  /** Version of ONNX Runtime and where it was loaded from. */
  readonly description: string;
  /** Whether outputs can be written into given arrays, which a key-value cache in place needs. */
  readonly inPlace: boolean;
  /** Element types that weights and graphs may have on this engine, but no array that is fed or fetched. */
  readonly insideOnly: readonly DType[];
  createSession(model: OnnxModel, options?: SessionOptions): Promise<Session>;
}
