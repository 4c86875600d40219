/**
 * ONNX Runtime's C API through koffi. The functions live in one table whose order is frozen (onnxruntime_c_api.h); the
 * numbers below are places in it.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi from 'koffi';
import { QuintetError } from '../tensor/index.js';
import { type Library, loadLibrary, type Pointer } from './libraries.js';

export type { Pointer };

/** The version of the table that is asked for, the first with all functions used here. */
const API_VERSION = 12;

const LOG_FATAL = 4; // failures come back as statuses; a library does not print
const ARENA_ALLOCATOR = 1;
const MEMORY_DEFAULT = 0;

// Paths are UTF-16 on Windows.
const PATH = process.platform === 'win32' ? 'str16' : 'str';

/** Place in the table, result and arguments of each function. */
const signatures = {
  GetErrorMessage: [2, 'str', ['void *']],
  DisableTelemetryEvents: [6, 'void *', ['void *']],
  CreateSessionFromArray: [8, 'void *', ['void *', 'void *', 'size_t', 'void *', 'void *']],
  Run: [9, 'void *', ['void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *']],
  CreateSessionOptions: [10, 'void *', ['void *']],
  EnableProfiling: [14, 'void *', ['void *', PATH]],
  DisableMemPattern: [17, 'void *', ['void *']],
  DisableCpuMemArena: [19, 'void *', ['void *']],
  SetSessionGraphOptimizationLevel: [23, 'void *', ['void *', 'int']],
  SetIntraOpNumThreads: [24, 'void *', ['void *', 'int']],
  CreateRunOptions: [39, 'void *', ['void *']],
  RunOptionsSetTerminate: [46, 'void *', ['void *']],
  CreateTensorWithDataAsOrtValue: [49, 'void *', ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *']],
  GetTensorMutableData: [51, 'void *', ['void *', 'void *']],
  GetTensorElementType: [60, 'void *', ['void *', 'void *']],
  GetDimensionsCount: [61, 'void *', ['void *', 'void *']],
  GetDimensions: [62, 'void *', ['void *', 'void *', 'size_t']],
  GetTensorTypeAndShape: [65, 'void *', ['void *', 'void *']],
  CreateCpuMemoryInfo: [69, 'void *', ['int', 'int', 'void *']],
  AllocatorFree: [76, 'void *', ['void *', 'void *']],
  GetAllocatorWithDefaultOptions: [78, 'void *', ['void *']],
  ReleaseStatus: [93, 'void', ['void *']],
  ReleaseSession: [95, 'void', ['void *']],
  ReleaseValue: [96, 'void', ['void *']],
  ReleaseRunOptions: [97, 'void', ['void *']],
  ReleaseTensorTypeAndShapeInfo: [99, 'void', ['void *']],
  ReleaseSessionOptions: [100, 'void', ['void *']],
  SessionEndProfiling: [110, 'void *', ['void *', 'void *', 'void *']],
  CreateEnvWithGlobalThreadPools: [119, 'void *', ['int', 'str', 'void *', 'void *']],
  DisablePerSessionThreads: [120, 'void *', ['void *']],
  CreateThreadingOptions: [121, 'void *', ['void *']],
  ReleaseThreadingOptions: [122, 'void', ['void *']],
  AddSessionConfigEntry: [130, 'void *', ['void *', 'str', 'str']],
  SetGlobalIntraOpNumThreads: [147, 'void *', ['void *', 'int']],
  AddInitializer: [150, 'void *', ['void *', 'str', 'void *']],
  AddExternalInitializers: [210, 'void *', ['void *', 'str *', 'void *', 'size_t']],
} as const satisfies Record<string, readonly [number, string, readonly string[]]>;

const TABLE_LENGTH = 211;

type FunctionName = keyof typeof signatures;
type Argument = Pointer | number | string | readonly string[] | ArrayBufferView;
type NativeFunction = ((...args: Argument[]) => unknown) & {
  async(...args: [...Argument[], (error: unknown, result: unknown) => void]): void;
};

/** The loaded library. */
export interface OrtApi {
  readonly version: string;
  readonly path: string;
  readonly environment: Pointer;
  /** Threads that the sessions of the process share; 0 is one a core. */
  readonly threads: number;
  /** Describes memory that belongs to the host. */
  readonly hostMemory: Pointer;
  /** Calls a function that returns nothing. */
  release(name: FunctionName, pointer: Pointer): void;
  /** Calls a function that returns a status; throws its message as a QuintetError of code 'engine'. */
  call(name: FunctionName, ...args: Argument[]): void;
  /** The same on another thread. */
  callAsync(name: FunctionName, ...args: Argument[]): Promise<void>;
  /** Calls a function whose last argument is where it writes what it makes: a pointer, or a number as wide as one. */
  make(name: FunctionName, ...args: Argument[]): Pointer;
  /** Gives memory that was freed back to the system, on another thread. */
  trimMemory(): void;
}

const known = new Map<string, OrtApi>();

/**
 * Loads ONNX Runtime's shared library, once a path; the first call says how many threads its sessions share. Throws a
 * QuintetError of code 'engine' where that fails.
 */
export function loadOrt(path: string = shippedLibrary(), threads = 0): OrtApi {
  const api = known.get(path) ?? bind(openLibrary(path), path, threads);
  known.set(path, api);
  return api;
}

function openLibrary(path: string): Library {
  try {
    return loadLibrary(path);
  } catch (cause) {
    throw new QuintetError('engine', `ONNX Runtime could not be loaded: ${(cause as Error).message}`, {
      at: path,
      cause,
    });
  }
}

/** The library inside the onnxruntime-node package. */
function shippedLibrary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const names: Partial<Record<NodeJS.Platform, string>> = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  };
  const { platform, arch } = process;
  return join(root, 'bin', 'napi-v6', platform, arch, names[platform] ?? '');
}

function bind(library: Library, path: string, threads: number): OrtApi {
  const [getApi, getVersion] = koffi.decode(library.func('OrtGetApiBase', 'void *', [])(), koffi.array('void *', 2));
  const version: string = koffi.decode(getVersion, koffi.proto('str', []))();
  const table: Pointer | null = koffi.decode(getApi, koffi.proto('void *', ['uint32']))(API_VERSION);
  if (!table)
    throw new QuintetError('engine', `ONNX Runtime ${version} is too old: 1.${API_VERSION} is needed`, { at: path });
  const places: Pointer[] = koffi.decode(table, koffi.array('void *', TABLE_LENGTH));
  const functions = Object.fromEntries(
    Object.entries(signatures).map(([name, [place, result, parameters]]) => [
      name,
      koffi.decode(places[place], koffi.proto(result, [...parameters])),
    ]),
  ) as Record<FunctionName, NativeFunction>;

  const check = (status: unknown): void => {
    if (!status) return;
    const message = functions.GetErrorMessage(status as Pointer) as string;
    functions.ReleaseStatus(status as Pointer);
    throw new QuintetError('engine', message);
  };
  const call: OrtApi['call'] = (name, ...args) => check(functions[name](...args));
  const slot = new BigUint64Array(new ArrayBuffer(8));
  const make: OrtApi['make'] = (name, ...args) => {
    call(name, ...args, slot);
    return slot[0] as Pointer;
  };
  const threading = make('CreateThreadingOptions');
  call('SetGlobalIntraOpNumThreads', threading, threads);
  const environment = make('CreateEnvWithGlobalThreadPools', LOG_FATAL, 'quintet', threading);
  functions.ReleaseThreadingOptions(threading);
  call('DisableTelemetryEvents', environment);
  return {
    version,
    path,
    environment,
    threads,
    hostMemory: make('CreateCpuMemoryInfo', ARENA_ALLOCATOR, MEMORY_DEFAULT),
    release: (name, pointer) => void functions[name](pointer),
    call,
    callAsync: async (name, ...args) =>
      check(
        await new Promise((resolve, reject) => {
          functions[name].async(...args, (error, status) => (error ? reject(error) : resolve(status)));
        }),
      ),
    make,
    trimMemory: memoryTrimmer(),
  };
}

/** The GNU C library keeps what was freed, hundreds of megabytes where weights were copied. Others give it back themselves. */
function memoryTrimmer(): () => void {
  if (process.platform !== 'linux') return () => {};
  try {
    const trim = loadLibrary('libc.so.6').func('malloc_trim', 'int', ['size_t']) as unknown as NativeFunction;
    return () => trim.async(0, () => {});
  } catch {
    return () => {}; // another C library
  }
}
