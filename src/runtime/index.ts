/** Engines that run graphs. This file is safe to import in a browser: what needs Node is loaded when it is asked for. */
import { QuintetError, refuseUnknown } from '../tensor/index.js';
import { checkThreads, type Engine } from './engine.js';
import type { WebOptions } from './web.js';

export type { Engine, RunOptions, Session, SessionOptions } from './engine.js';

/** What the web engine needs is given in browsers only: in Node it finds its files, and has one thread. */
export interface EngineOptions extends WebOptions {
  /** Default: `native` where it loads, otherwise `web`. */
  readonly engine?: Engine['name'];
  /** Path of ONNX Runtime's shared library for `native`; default the one that onnxruntime-node ships. */
  readonly library?: string;
  /** Threads of a session that does not say otherwise (`native`), or of all sessions (`web`). */
  readonly threads?: number;
  /** Told why `web` runs instead of `native`. */
  readonly onNotice?: (notice: string) => void;
}

const optionNames = Object.keys({
  ...{ engine: true, library: true, threads: true, onNotice: true },
  ...{ wasm: true, script: true, readRange: true },
} satisfies Record<keyof EngineOptions, true>);

/** The best engine that runs here. One that is asked for by name or path is never replaced by another. */
export async function defaultEngine(options: EngineOptions = {}): Promise<Engine> {
  const { engine, library, onNotice } = options;
  refuseUnknown({ at: 'engine', raw: { ...options } }, optionNames, { what: 'option' });
  checkThreads(options.threads);
  if (engine === 'web' && library !== undefined) {
    throw new QuintetError('unsupported', `the web engine takes no library, got ${library}`, { hint: wayOut });
  }
  if (!isNode()) {
    if (engine === 'native') throw new QuintetError('unsupported', 'the native engine needs Node');
    const { webEngine } = await import('./web.js');
    return webEngine(options);
  }
  // package.json leaves this file out of browsers.
  const { nativeEngine, webEngineInNode } = await import('./node.js');
  if (engine === 'web') {
    const { threads = 1 } = options;
    if (threads === 1) return webEngineInNode();
    const problem = `the web engine has one thread in Node, got ${threads}`;
    throw new QuintetError('unsupported', problem, { hint: wayOut });
  }
  try {
    return nativeEngine(options);
  } catch (error) {
    if (engine === 'native' || library !== undefined) throw error;
    onNotice?.(`${(error as Error).message}\nThe slower web engine runs instead, on one thread.`);
    return webEngineInNode();
  }
}

const wayOut = 'Leave it out, or let the native engine run';

function isNode(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string';
}
